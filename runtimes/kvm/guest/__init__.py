"""One guest's life: QEMU's process, console, devices, files, end."""
