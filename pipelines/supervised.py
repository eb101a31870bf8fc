"""Train a recogniser on Ray: `python pipelines/supervised.py [experiment] [--field.path value ...]`.

The same line runs on a cluster: `ray job submit --address URL --working-dir . -- python pipelines/supervised.py gaitbase-gait3d`.
"""

from experiments import supervised
from gaitlab.command import main
from gaitlab.launch import on_ray

if __name__ == "__main__":
    main(supervised.ALL, "demo", on_ray, __doc__ or "")
