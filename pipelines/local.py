"""Run any experiment in this process, without Ray: `python pipelines/local.py [experiment] [--field.path value ...]`.

Several GPUs of one machine: `torchrun --nproc-per-node 4 pipelines/local.py gaitbase-gait3d`.
"""

import sys

from experiments import ALL
from gaitlab.command import parse
from gaitlab.guard import guarded
from gaitlab.launch import local

if __name__ == "__main__":
    guarded(lambda: parse(ALL, "demo", sys.argv[1:], __doc__ or "").launched(local))
