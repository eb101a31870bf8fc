"""Training without Ray and without MLflow: one loop, its checkpoints, and the border to whatever runs it."""
