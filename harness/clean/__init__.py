"""Remove what killed runs left on this host, and nothing else."""
