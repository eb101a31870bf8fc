"""Run any experiment in this process, without Ray: `python pipelines/local.py [experiment] [--field.path value ...]`.

Several GPUs of one machine: `torchrun --nproc-per-node 4 pipelines/local.py gaitbase-gait3d`.
"""

from experiments import ALL
from gaitlab.command import main
from gaitlab.launch import local

if __name__ == "__main__":
    main(ALL, "demo", local, __doc__ or "")
