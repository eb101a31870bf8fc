"""Run any experiment in this process, without Ray: `python pipelines/local.py [experiment] [--field.path value ...]`.

Several GPUs of one machine: `torchrun --nproc-per-node 4 pipelines/local.py gaitbase-gait3d`.
"""

from experiments import supervised
from gaitlab.command import main
from gaitlab.launch import local

if __name__ == "__main__":
    main(supervised.ALL, "demo", local, __doc__ or "")
