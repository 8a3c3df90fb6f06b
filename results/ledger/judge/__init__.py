"""Every claim of a ledger against the evidence of a run."""
