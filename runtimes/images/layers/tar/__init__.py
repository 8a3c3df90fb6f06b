"""Layers as tar archives: read strictly, written with one possible spelling."""
