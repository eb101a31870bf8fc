"""Train any experiment on Ray: `python pipelines/supervised.py [experiment] [--field.path value ...]`.

The same line runs on a cluster: `ray job submit --address URL --working-dir . -- python pipelines/supervised.py gaitbase-gait3d`.
"""

import sys

from experiments import ALL
from gaitlab.command import parse
from gaitlab.guard import guarded
from gaitlab.launch import on_ray

if __name__ == "__main__":
    guarded(lambda: parse(ALL, "demo", sys.argv[1:], __doc__ or "").launched(on_ray))
