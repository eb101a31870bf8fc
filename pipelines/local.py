"""Run any experiment in this process, without Ray.

python pipelines/local.py                                          # GaitBase on 180 walkers
python pipelines/local.py --train.steps 100 --optim.lr 3e-4        # any field by its path
python pipelines/local.py gaitbase-casia-b --data.root my-casia-b  # another one, other shards
python pipelines/local.py --resume last                            # as the same command does
torchrun --nproc-per-node 4 pipelines/local.py gaitbase-gait3d     # the GPUs of one machine
"""

import sys

from experiments import ALL
from gaitlab.command import parse
from gaitlab.guard import guarded
from gaitlab.launch import local

if __name__ == "__main__":
    guarded(lambda: parse(ALL, "demo", sys.argv[1:], __doc__ or "").launched(local))
