"""A container that is frozen to disk and brought back, in a guest whose kernel CRIU knows."""
