"""A block whose instances are up together and work in slices, so that drift cancels."""
