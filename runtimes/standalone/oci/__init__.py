"""An OCI runtime for ``ns``: bundles read, containers created, started and deleted."""
