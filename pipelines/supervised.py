"""Train any experiment on Ray: `python pipelines/supervised.py [experiment] [--field.path value ...]`.

The same line runs on a cluster: `ray job submit --address URL --working-dir . -- python pipelines/supervised.py gaitbase-gait3d`.
"""

from experiments import ALL
from gaitlab.command import main
from gaitlab.launch import on_ray

if __name__ == "__main__":
    main(ALL, "demo", on_ray, __doc__ or "")
