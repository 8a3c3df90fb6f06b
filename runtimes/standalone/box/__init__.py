"""One box by hand, of layers or of an OCI image."""
