"""What is running, how far it is, and how the claims stand."""
