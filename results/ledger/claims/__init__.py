"""What a ledger holds: read, checked to the last name, and resolved."""
