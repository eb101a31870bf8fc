"""People who were recorded: `recording` joints in memory and their npz files, `acclaim` asf and amc files, `source` the data set."""

from gaitlab.walkers.mocap.source import MocapSource

__all__ = ["MocapSource"]
