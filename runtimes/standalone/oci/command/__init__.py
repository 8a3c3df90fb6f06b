"""The command line of an OCI runtime for ``ns``: what Docker, containerd and podman drive.

Flags and messages are runc's where callers depend on them (containerd's shim reads both); the
rules are those of the runtime specification, "Runtime and Lifecycle".
"""
