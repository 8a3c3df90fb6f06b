"""Records of runs, as they stand in their files.  Loads nothing but msgspec."""
