"""One root filesystem, and what each backend needs made from it."""
