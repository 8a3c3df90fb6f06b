"""A stack of layers: what it shows at a path, and its members."""
