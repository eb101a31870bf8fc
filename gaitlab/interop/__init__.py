"""Checkpoints and configurations of other projects."""
