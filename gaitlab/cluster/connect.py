"""Ray, joined or started."""

import logging
import os

import ray


def start_ray() -> str:
    """Ray's id of this driver's job, after joining the cluster of RAY_ADDRESS, or starting one here.

    A submitted job has that variable; `auto` is the cluster on this machine.

    Without RAY_ADDRESS nothing is searched for: the address that a dead cluster left behind would be waited for in vain.
    """
    os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")  # it shows every line of a worker twice
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS") or "local", logging_level=logging.WARNING)
    return str(ray.get_runtime_context().get_job_id())
