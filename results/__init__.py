"""Records of runs, their store, the frame for analysis, and statistics."""
