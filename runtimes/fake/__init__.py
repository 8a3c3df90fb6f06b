"""A runtime that starts nothing: deterministic, scripted, for tests and for a look at the tool."""
