"""What stands before the first trial and is taken down after the last."""
