"""The agent: the small static program in every box, and the channel to it."""
