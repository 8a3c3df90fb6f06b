"""``ns`` without the bench: an OCI runtime, an image client, and boxes by hand."""
