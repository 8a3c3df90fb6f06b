"""A layer's members into a directory that overlayfs takes as one of its lowers."""
