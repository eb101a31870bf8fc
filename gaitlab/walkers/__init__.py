"""People who do not exist and walk nevertheless: `skeleton` joints, `fit` the motion table, `people` who walks how, `body` flesh
and clothes, `source` the data set."""

from gaitlab.walkers.source import WalkersSource

__all__ = ["WalkersSource"]
