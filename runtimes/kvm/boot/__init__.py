"""What a guest boots: kernel, initramfs, and the proof that KVM boots one here."""
