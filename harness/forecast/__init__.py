"""``bench --plan``: what a run would do, and about how long that takes."""
