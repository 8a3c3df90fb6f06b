"""Sources of the first process in a guest; see initramfs."""
