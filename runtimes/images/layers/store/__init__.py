"""Layers kept by content, each unpacked once, shared by all instances of all images."""
