"""The checks and targets of this project itself."""
