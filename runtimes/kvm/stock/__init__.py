"""A full Debian VM as people run it: its own disk with boot loader, kernel, systemd and sshd."""

from runtimes.kvm.stock.image import Stock, stock_image

__all__ = ["Stock", "stock_image"]
