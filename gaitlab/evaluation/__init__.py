"""From embeddings to a table: protocols as values, retrieval, baselines and pictures."""
