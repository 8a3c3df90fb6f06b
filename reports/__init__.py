"""A run, told in one self-contained HTML file."""
