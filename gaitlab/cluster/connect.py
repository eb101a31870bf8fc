"""Ray, joined or started."""

import logging
import os
import stat
from pathlib import Path

import ray

from gaitlab.experiment import ScaleConfig

TOKEN = Path(".ray/auth_token")
"""Below the user's home: who reads it may run code on the user's cluster. Ray writes it for all to read."""


def start_ray() -> str:
    """Ray's id of this driver's job, after joining the cluster of RAY_ADDRESS, or starting one here.

    A submitted job has that variable; `auto` is the cluster on this machine.

    Without RAY_ADDRESS nothing is searched for: the address that a dead cluster left behind would be waited for in vain.
    """
    os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")  # it shows every line of a worker twice
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if not ray.is_initialized():
        keep_token_private()
        ray.init(address=os.environ.get("RAY_ADDRESS") or "local", logging_level=logging.WARNING)
        keep_token_private()
    return str(ray.get_runtime_context().get_job_id())


def check_places(scale: ScaleConfig) -> None:
    """ValueError if a run's workers have no room in the cluster that was started here; a line if nodes have to join another one first."""
    there = ray.cluster_resources()
    asked = {"CPU": scale.workers * scale.cpus_per_worker, "GPU": scale.workers * scale.gpus_per_worker}
    if not (lacking := [kind for kind, amount in asked.items() if amount > there.get(kind, 0)]):
        return
    want = " and ".join(f"{asked[kind]} {kind}s, of which the cluster has {there.get(kind, 0):g}" for kind in lacking)
    if not os.environ.get("RAY_ADDRESS"):
        raise ValueError(f"{scale.workers} workers want {want}: fewer --scale.workers, or join a larger cluster by RAY_ADDRESS")
    print(f"{scale.workers} workers want {want}; waiting for nodes to join", flush=True)


def keep_token_private() -> None:
    """Ray's token is for its owner's eyes only."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / TOKEN).expanduser()
    if file.is_file() and file.stat().st_uid == os.getuid() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        file.chmod(0o600)
