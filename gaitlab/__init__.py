"""gaitlab: gait recognition experiments, from a folder of walks to a result table, on one laptop or a Ray cluster."""

__version__ = "0.1.0"
