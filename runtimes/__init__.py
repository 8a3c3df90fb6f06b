"""Boxes: every way this project can start a piece of work in isolation."""
