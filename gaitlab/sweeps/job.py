"""A job of a sweep, in a process of its own: what it prints goes into the entry's log, and an error becomes a line for the sweep."""

import contextlib
import json
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaitlab.config import from_dict, to_dict
from gaitlab.ensure import Launcher, ensure
from gaitlab.experiment import Experiment
from gaitlab.modules import import_kept
from gaitlab.runs.summary import Summary
from gaitlab.sweeps.trials import Job


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job as it travels to its process: plain values.

    key: of its entry. reports: whether its evaluations are the trial's. threads: of torch where Ray runs it, 0: torch's own number.
    tags, parent, uri: of the run in MLflow, uri "" for none. how: what to type to go on.
    """

    experiment: str
    key: str
    reports: bool
    workers: int
    threads: int
    fresh: bool
    log: str
    home: str
    tags: Mapping[str, str]
    parent: str
    uri: str
    how: str

    @classmethod
    def of(cls, job: Job, home: Path, tags: Mapping[str, str], parent: str, uri: str, how: str) -> "Task":
        scale = job.experiment.scale
        threads = 0 if scale.gpus_per_worker else scale.cpus_per_worker
        return cls(
            experiment=json.dumps(to_dict(job.experiment)), key=job.key, reports=job.number is not None, workers=scale.workers,
            threads=threads, fresh=job.fresh, log=str(job.log), home=str(home), tags=tags, parent=parent, uri=uri, how=how,
        )  # fmt: skip


def run(task: Task, launcher: Launcher) -> Summary:
    """Train and test what is left of it."""
    os.environ["GAITLAB_HOME"] = task.home
    plain: dict[str, Any] = json.loads(task.experiment)
    import_kept(plain["modules"])
    experiment = from_dict(plain, Experiment)
    return ensure(
        experiment, launcher, fresh=task.fresh, tracking=bool(task.uri), parent=task.parent, tags=task.tags,
        uri=task.uri or None, how=lambda run: f"go on with: {task.how}", key=task.key,
    )  # fmt: skip


@contextlib.contextmanager
def logged(task: Task) -> Any:
    """What is printed meanwhile goes to the end of the log; an error too, and is not raised: the list that is given has its line then."""
    causes: list[str] = []
    with Path(task.log).open("a", buffering=1) as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            yield causes
        except Exception as error:  # noqa: BLE001  (one job does not end the sweep)
            traceback.print_exc()
            causes.append(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}")
