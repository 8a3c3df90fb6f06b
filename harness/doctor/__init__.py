"""What works on this host and what does not, how steady it is, and tuning it."""
