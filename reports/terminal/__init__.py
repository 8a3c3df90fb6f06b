"""What the command line shows, as rich renderables built by pure functions."""
