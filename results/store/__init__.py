"""A run's directory: its record, its journals, what is damaged in them."""
