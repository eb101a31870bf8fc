"""Noise processes and denoisers."""
