"""The default seccomp filter: its calls, its search tree, its program."""
