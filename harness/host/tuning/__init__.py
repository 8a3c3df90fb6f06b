"""Settings of the host that make measuring steadier: applied, verified, undone."""
