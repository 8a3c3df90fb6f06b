"""What each profile decides, and the machine that follows from it."""
