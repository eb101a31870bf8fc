"""A run on its way into a store that may be slow, or away and back again. All of this runs in one thread, the tracker's.

After a failure the store is left alone for a while, and points and artifacts wait on disk; nothing is raised. A run whose store
is away when it begins has an id of its own, `offline-` and a token; the store makes it under that token when it answers, be it
in this process, in one that reopens the run, or by `tracking.sync`. A run without a store is delivered to nobody but the last.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from gaitlab.config import flatten, to_dict
from gaitlab.experiment import Experiment
from gaitlab.runs import claim
from gaitlab.runs.folder import run_folder
from gaitlab.tracking import mlflow_store, provenance
from gaitlab.tracking.backlog import Backlog
from gaitlab.tracking.mlflow_store import OFFLINE
from gaitlab.tracking.record import Record, as_text, from_text, keep_record, kept_record
from gaitlab.tracking.spool import Ending, Spool

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

RETRY_SECONDS = 60.0
"""After a failed delivery the store is left alone for this long."""
FINISH_SECONDS = 5.0
"""For this long `finish` tries again, e.g. while other processes lock a database."""

RUN = "run.json"
"""In the spool: the record of the process that trains without a store."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a run begins with. parent: id of the run it is a child of. token: begun under one, a run is there once."""

    experiment: Experiment
    data_hash: str
    parent: str | None
    tags: Mapping[str, str]
    token: str


class Stored(NamedTuple):
    """The run in a store that has answered: its id there, and that of its MLflow experiment."""

    client: "MlflowClient"
    run: str
    experiment: str


class Delivery:
    """Of one run, whose points are those of `backlog`; new if `run_id` is None. watches: the machine's load is logged, too.

    uri: "" for a run without a store: everything stays in its spool.
    """

    def __init__(self, uri: str, beginning: Beginning, backlog: Backlog, *, run_id: str | None, watches: bool) -> None:
        self.uri = uri
        self.run_id = run_id  # names the folder; the store's own id but for runs that began offline
        self.first_id = run_id  # what names it before the store has answered, None for no folder yet
        self.watches = watches
        self.stored: Stored | None = None  # until the store has answered
        self._beginning = beginning
        self._backlog = backlog
        self._began = _now()
        self._claim: TextIO | None = None
        self._monitor: SystemMetricsMonitor | None = None
        self._retry_at = 0.0
        self._away = False
        self._warned = False

    @cached_property
    def spool(self) -> Spool:
        """What is not delivered; in the run's folder, so only once the run has an id."""
        assert self.run_id is not None
        return Spool(run_folder(self.run_id) / "spool")

    def begin_here(self) -> str:
        """A folder for a new run, under an id of our own; `begin` gives it the store's."""
        self.first_id = f"{OFFLINE}{self._beginning.token}"
        self._join(self.first_id)
        return self.first_id

    def begin(self) -> str:
        """Make the run or reopen it, and take up what its spool holds; its id, one of our own when the store is away."""
        new = self.run_id is None
        if self.run_id is not None:
            self._join(self.run_id)
        self._reach(lambda client, run: None)
        self.run_id = self.run_id or f"{OFFLINE}{self._beginning.token}"
        if self.first_id is None:
            self._join(self.run_id)
        elif self.first_id != self.run_id:
            _rename(run_folder(self.first_id), run_folder(self.run_id))
        if new or self._unrecorded(self.run_id):
            keep_record(self._record, run_folder(self.run_id))
            self.spool.put("config.json", json.dumps(to_dict(self._beginning.experiment), indent=2).encode())
        if not self.uri or (new and self.stored is None):
            self.spool.put(RUN, as_text(self._record).encode())
        self.spool.end(None)
        self._backlog.open(self.spool)
        self.artifacts()
        return self.run_id

    def points(self) -> None:
        """Deliver the backlog, or what the store takes of it; the rest is kept on disk."""
        if not self.uri:
            self._backlog.keep()
            return
        while len(self._backlog):
            if not self._reach(self._send_points):
                self._backlog.keep()
                return
        self._backlog.tidy()

    def artifacts(self) -> None:
        """Deliver the spool's artifacts; those that the store does not take stay."""
        if not self.uri:
            return
        self.spool.hand_over(lambda file, path: self._reach(partial(mlflow_store.send_artifact, file=file, path=path)))

    def finish(self, status: str) -> None:
        """Deliver what is left and close the run as `status`; what cannot be delivered stays on disk."""
        self._unwatch()
        deadline = time.monotonic() + (FINISH_SECONDS if self.uri else 0.0)
        while not (closed := self._close(status, deliver=True)) and time.monotonic() <= deadline:
            time.sleep(0.5)
        if not closed and not len(self._backlog):  # only artifacts are refused
            closed = self._close(status)
        if not closed or not self.spool.empty():
            self.spool.end(Ending(status, _now()))
        self.spool.remove_if_empty()
        if self._claim:
            self._claim.close()

    def close_dead(self) -> None:
        """Runs that the store believes to be running and whose process has died are closed."""
        with contextlib.suppress(Exception):  # whatever the store does, training goes on
            if self.stored is not None:
                mlflow_store.close_dead(self.stored.client, self.stored.experiment)

    def _unrecorded(self, run: str) -> bool:
        """Whether the run was cut short before it had kept what it began with."""
        return run.startswith(OFFLINE) and not (kept_record(run_folder(run)) or went_on_as(run))

    def _join(self, run: str) -> None:
        self._claim = claim.join(run_folder(run), mlflow_store.without_password(self.uri))

    def _close(self, status: str, *, deliver: bool = False) -> bool:
        self._retry_at = 0.0
        if deliver:
            self.points()
            self.artifacts()
        return self._reach(lambda client, run: client.set_terminated(run, status))

    def _send_points(self, client: "MlflowClient", run: str) -> None:
        self._backlog.hand_over(partial(mlflow_store.send_points, client, run))

    def _reach(self, send: "Callable[[MlflowClient, str], object]") -> bool:
        """Whether `send(client, the store's id of the run)` reached the store, which is opened first if it never answered."""
        if not self.uri or time.monotonic() < self._retry_at:
            return False
        try:
            if self.stored is None:
                self.stored = self._open()
                self.run_id, self._away = self.run_id or self.stored.run, True
            send(self.stored.client, self.stored.run)
            if self._away:  # MLflow's monitor gives up when the store is away
                self._watch()
        except Exception as error:  # noqa: BLE001  (whatever the store does, training goes on)
            self._retry_at, self._away = time.monotonic() + RETRY_SECONDS, True
            self.run_id = self.run_id or f"{OFFLINE}{self._beginning.token}"
            self._warn(error)
            return False
        self._away = False
        return True

    def _open(self) -> Stored:
        """The run is made or reopened in the store; what it has there leaves the backlog."""
        client = mlflow_store.open_store(self.uri)
        if self.run_id is None:
            run = mlflow_store.create_run(client, self.uri, self._record, self._beginning.token)
        else:
            run = taken_up(client, self.uri, self.run_id, self._begun_as)
            mlflow_store.reopen_run(client, run, self._record["tags"])
            self._backlog.drop(mlflow_store.last_steps(client, run))
        return Stored(client, run, client.get_run(run).info.experiment_id)

    def _begun_as(self) -> Record:
        """What the run that is reopened began with."""
        assert self.run_id is not None
        record = kept_record(run_folder(self.run_id)) or went_on_as(self.run_id) or self._record
        return {"params": self._record["params"], **record}  # which a record of before lacks

    @cached_property
    def _record(self) -> Record:
        """Of this process; asks git, the machine and torch."""
        begun = self._beginning
        return {
            "name": begun.experiment.name,
            "parent": begun.parent,
            "tags": provenance.tags(begun.experiment, begun.data_hash) | dict(begun.tags),
            "params": {key: str(value) for key, value in flatten(begun.experiment).items()},
            "start": self._began,
        }

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            text = "tracking store %s does not answer (%s); training goes on, metrics are kept in %s"
            logger.warning(text, mlflow_store.without_password(self.uri), reason, self.spool.folder)
        self._warned = True

    def _watch(self) -> None:
        """Begin to log the machine's load, or begin again."""
        self._unwatch()
        if self.watches:
            with contextlib.suppress(Exception):
                assert self.stored is not None
                self._monitor = mlflow_store.watch_machine(self.stored.run, self.uri)

    def _unwatch(self) -> None:
        if self._monitor is not None:
            stopping = threading.Thread(target=self._monitor.finish, daemon=True)  # waits for its last request
            stopping.start()
            stopping.join(FINISH_SECONDS)
            self._monitor = None


def _rename(begun: Path, final: Path) -> None:
    """The folder of a run that has got its id; one of that id is there if a process was killed that had got it before."""
    if final.exists():
        for file in begun.iterdir():
            os.replace(file, final / file.name)
        begun.rmdir()
    else:
        begun.rename(final)


def taken_up(client: "MlflowClient", uri: str, run_id: str, begun_as: Callable[[], Record]) -> str:
    """The store's id of the run, which is made there by its record if the store has none of that id: it began without one, or elsewhere."""
    if not run_id.startswith(OFFLINE) and (found := mlflow_store.find_run(client, run_id)):
        return str(found.info.run_id)
    return mlflow_store.create_run(client, uri, begun_as(), run_id.removeprefix(OFFLINE))


def went_on_as(run_id: str) -> Record | None:
    """The record of the process that last trained without a store, if that is not delivered yet."""
    spool = Spool(run_folder(run_id) / "spool")
    written = spool.read(RUN)
    return from_text(written.decode(), spool.folder / RUN) if written else None


def _now() -> int:
    return int(time.time() * 1000)
