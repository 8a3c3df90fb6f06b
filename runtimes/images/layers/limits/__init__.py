"""What a layer may ask for, and what unpacking an image may take in all."""
