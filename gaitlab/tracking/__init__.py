"""Runs, their curves, tables and pictures: the only place that imports MLflow."""
