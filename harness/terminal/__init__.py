"""The terminal: lines, errors with their tail and hint, tables that fit its width."""
