"""Recognition networks, one paper per file: clip -> part features."""
