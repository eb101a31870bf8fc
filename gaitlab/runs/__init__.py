"""What a run leaves in its folder, and how runs are found again: config, checkpoints, figures, the book of finished ones."""
