"""Blocks that two networks or more share."""
