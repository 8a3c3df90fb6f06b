"""Facts about this host, and what else happens on it while a trial runs."""
