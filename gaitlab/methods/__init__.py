"""Training methods, one paper per file."""
