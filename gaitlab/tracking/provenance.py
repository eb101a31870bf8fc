"""Where a number came from: the commit, the machine, the versions. No MLflow here."""

import contextlib
import getpass
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psutil

from gaitlab.config import fingerprint
from gaitlab.experiment import Experiment

REPOSITORY = Path(__file__).resolve().parents[2]


def tags(experiment: Experiment, data_hash: str) -> dict[str, str]:
    """What a number needs to be traced back, plus the tags behind MLflow's own columns."""
    here = {
        "commit": commit(),
        "dirty": str(dirty()).lower(),
        "data_hash": data_hash,
        "fingerprint": fingerprint(experiment),
        "seed": str(experiment.seed),
        "host": socket.gethostname(),
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit(),
    }
    with contextlib.suppress(KeyError, OSError):  # a container's user may have no name
        here["mlflow.user"] = getpass.getuser()
    if job := os.environ.get("RAY_JOB_ID"):
        here["ray_job"] = job
    return here | hardware() | versions()


@cache
def commit() -> str:
    """Full hash of the checked-out commit; $GAITLAB_COMMIT where there is no .git (a job's copy), else "unknown"."""
    return os.environ.get("GAITLAB_COMMIT") or _git("rev-parse", "HEAD") or "unknown"


@cache
def dirty() -> bool:
    """Whether tracked files differ from the commit; False where there is no repository to compare with."""
    return bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*words: str) -> str:
    """Output of a git command in gaitlab's own repository, "" where gaitlab is not the root of one or git is missing."""
    if not (REPOSITORY / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def hardware() -> dict[str, str]:
    """cpu (model, vector instructions that torch uses), cores (that this process may use), ram (GiB), gpu ("2x NVIDIA A100", "none")."""
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    counts = [f"{names.count(name)}x {name}" for name in dict.fromkeys(names)]
    return {
        "cpu": f"{_cpu_model()} ({torch.backends.cpu.get_cpu_capability()})",
        "cores": str(cores()),
        "ram": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "gpu": ", ".join(counts) or "none",
    }


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware_line(machine: Mapping[str, str] | None = None) -> str:
    """`hardware()`, or that of another machine as a run's tags have it, as one line for a table's foot."""
    machine = machine or hardware()
    gpu = "" if machine["gpu"] == "none" else f", {machine['gpu']}"
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['ram']}{gpu}"


def versions() -> dict[str, str]:
    """python, torch and gaitlab."""
    import torch

    from gaitlab import __version__

    return {"python": sys.version.split()[0], "torch": str(torch.__version__), "gaitlab": __version__}


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
