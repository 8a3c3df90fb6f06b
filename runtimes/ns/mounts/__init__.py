"""The box's view of files, as operations of the launcher."""
