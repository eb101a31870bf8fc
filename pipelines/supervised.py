"""Train any experiment on Ray: here, or on the cluster where it is submitted as a job.

python pipelines/supervised.py                                     # GaitBase on 180 walkers
python pipelines/supervised.py gaitbase-gait3d --scale.workers 4 --scale.gpus-per-worker 1
python pipelines/supervised.py --resume last                       # as the same command does
ray job submit --address URL --working-dir . -- python pipelines/supervised.py gaitbase-gait3d
"""

import sys

from experiments import ALL
from gaitlab.command import parse
from gaitlab.guard import guarded
from gaitlab.launch import on_ray

if __name__ == "__main__":
    guarded(lambda: parse(ALL, "demo", sys.argv[1:], __doc__ or "").launched(on_ray))
