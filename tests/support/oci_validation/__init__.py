"""The OCI project's validation suite, built from Debian's source package and run on a runtime."""
