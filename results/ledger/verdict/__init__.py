"""From findings of comparisons to verdicts of parts and claims, and their sentences."""
