"""One trial: a fresh box, its work, its gates, its record."""
