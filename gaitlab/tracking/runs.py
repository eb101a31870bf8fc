"""A training run in MLflow: its config, provenance, curves, tables and pictures.

MLflow costs 2-4 s to import and to open its database, and a store may be slow or away. So one thread of the tracker talks to
it, in order: `start` returns at once, and `log` and `flush` neither wait for the store nor fail because of it. The thread
leaves the processor to the first training step: it begins at the first `log`, or when the run's id is asked for. What could
not be delivered lies in `<run folder>/spool/` and is delivered when the store answers again or when the run is reopened.

In order: points leave from the front of one queue, and only once the store has said that it has them. None twice: a reopened
run first asks for the last step of every curve and drops what is not newer; a request that was carried out but not answered
is sent again with the same times, and MLflow's databases hold a point of one key, step, time and value once.
"""

import contextlib
import getpass
import io
import json
import logging
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gaitlab.config import fingerprint, to_dict
from gaitlab.experiment import Experiment
from gaitlab.runs.folder import run_folder
from gaitlab.tracking import mlflow_store, provenance
from gaitlab.tracking.mlflow_store import OFFLINE
from gaitlab.tracking.spool import Point, Spool

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

FLUSH_SECONDS = 5.0
FLUSH_POINTS = 500
START_SECONDS = 10.0
"""The store is opened after this long even if nothing was logged."""
RETRY_SECONDS = 60.0
"""After a failed delivery the store is left alone for this long."""
FINISH_SECONDS = 5.0
"""For this long `finish` tries again, e.g. while other processes lock a database."""

logger = logging.getLogger(__name__)


class Tracker:
    """Opened by `Tracker.start`; a context manager that finishes the run as FINISHED, KILLED (Ctrl-C) or FAILED."""

    def __init__(self, uri: str, run_id: str | None, token: str | None = None) -> None:
        self.uri = uri
        self._given = run_id  # names the folder; the store's own id but for runs that began offline
        self._token = run_id.removeprefix(OFFLINE) if run_id and run_id.startswith(OFFLINE) else token or uuid.uuid4().hex
        self._client: Any = None  # mlflow.MlflowClient once connected
        self._stored = ""  # the store's id of the run
        self._begin: Callable[[Any], str] | None = None
        self._monitor: Any = None
        self._system = False
        self._experiment_id = ""
        self._lock = threading.Lock()
        self._points: list[Point] = []  # logged, not delivered
        self._kept = 0  # as many of them, from the first on, are in the spool
        self._last: dict[str, int] = {}  # key -> last step that the run had when it was opened
        self._sent = time.monotonic()
        self._retry_at = 0.0
        self._warned = False
        self._away = False
        self._finished = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._wanted = threading.Event()
        self._connected: Future[str] = Future()
        self._sending: Future[None] | None = None

    @classmethod
    def start(
        cls,
        experiment: Experiment,
        *,
        data_hash: str,
        run_id: str | None = None,
        parent: str | None = None,
        token: str | None = None,
        tags: Mapping[str, str] = {},
        uri: str | None = None,
        system_metrics: bool = True,
    ) -> "Tracker":
        """Create a run named `experiment.name` (a child of the run `parent`), or reopen `run_id`. Returns at once.

        Reopened, steps that the run already has are dropped from `log`, so a resumed loop may repeat them. token: begun under one, a run
        is there once, however often it is begun: for a caller that may be killed before it has written down the new run's id.
        ValueError for a database whose driver is not installed.
        """
        tracker = cls(mlflow_store.absolute(uri or mlflow_store.default_uri()), run_id, token)
        tracker._system = system_metrics
        tracker._connected = tracker._thread.submit(tracker._connect, experiment, data_hash, parent, dict(tags))
        return tracker

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; waits for the store when the run is new (`offline-...` if the store is away)."""
        return self._given or self._connection()

    @property
    def folder(self) -> Path:
        """Folder of the run's checkpoints and results."""
        return run_folder(self.run_id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Points of curves at optimiser step `step`; names like `train/triplet`. Buffered."""
        self._log(step, metrics)

    def final(self, metrics: Mapping[str, float]) -> None:
        """Results of the run, e.g. `casia-b/rank1`: one value each, the newest counts."""
        self._log(0, metrics, final=True)

    def flush(self) -> None:
        """Returns when all that was logged is in the store or in the spool; a checkpoint follows it, so no curve has a gap."""
        self._connection()
        self._keep()
        self._send_soon()

    def table(self, name: str, frame: "pandas.DataFrame") -> None:
        """The artifact tables/NAME.json, shown by the UI and read by `mlflow.load_table`; replaces an older one of that name."""
        self._artifact(f"tables/{name}.json", frame.to_json(orient="split", index=False, date_format="iso").encode())

    def figure(self, name: str, figure: "Figure") -> None:
        """The artifact figures/NAME.png."""
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120, bbox_inches="tight")
        self._artifact(f"figures/{name}.png", picture.getvalue())

    def text(self, name: str, text: str) -> None:
        """The artifact NAME (with its ending, e.g. `casia-b.md`)."""
        self._artifact(name, text.encode())

    def finish(self, status: str = "FINISHED") -> None:
        """Deliver what is left and close the run: FINISHED | FAILED | KILLED. A second call does nothing."""
        if self._finished:
            return
        self._finished = True
        self._wanted.set()
        self._thread.submit(self._finish, status).result()
        self._thread.shutdown()

    def how_to_open(self) -> str:
        """What to type, and the page of this run."""
        self._connection()
        if self._client is None:
            return f"the store {mlflow_store.without_password(self.uri)} did not answer; the run's metrics lie in {self._spool.folder}"
        return mlflow_store.page_of(self.uri, f"#/experiments/{self._experiment_id}/runs/{self._stored}")

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("KILLED" if issubclass(kind, (KeyboardInterrupt, SystemExit)) else "FAILED")

    def _connection(self) -> str:
        """Wait for the store; the run's id."""
        self._wanted.set()
        return self._connected.result()

    @cached_property
    def _spool(self) -> Spool:
        assert self._given is not None
        return Spool(run_folder(self._given) / "spool")

    def _log(self, step: int, metrics: Mapping[str, float], *, final: bool = False) -> None:
        self._wanted.set()
        now = int(time.time() * 1000)
        points = [Point(mlflow_store.legal(key), float(value), step, now, final) for key, value in metrics.items()]
        with self._lock:
            self._points += [point for point in points if self._lacks(point, self._last)]
        if len(self._points) >= FLUSH_POINTS or time.monotonic() - self._sent >= FLUSH_SECONDS:
            self._send_soon()

    def _send_soon(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = self._thread.submit(self._send)

    def _keep(self) -> None:
        """Into the spool what is not there yet."""
        with self._lock:
            if len(self._points) > self._kept:
                self._spool.add(self._points[self._kept :])
                self._kept = len(self._points)

    def _artifact(self, path: str, content: bytes) -> None:
        """Into the spool now, to the store in the tracker's thread."""
        self._connection()
        self._spool.put(path, content)
        self._thread.submit(self._upload)

    @staticmethod
    def _lacks(point: Point, last: Mapping[str, int]) -> bool:
        """Whether a run whose curves end at `last` lacks the point."""
        return point.final or point.step > last.get(point.key, -1)

    # -- everything below runs in the tracker's own thread ----------------------------------------------------------------

    def _connect(self, experiment: Experiment, data_hash: str, parent: str | None, tags: dict[str, str]) -> str:
        """The run's id; an id of our own when the store is away."""
        self._wanted.wait(START_SECONDS)
        new = self._given is None
        record = {"name": experiment.name, "parent": parent, "tags": _tags(experiment, data_hash) | tags}
        self._begin = partial(self._begin_run, experiment, record)
        self._deliver(lambda client, run: None)
        assert self._given is not None
        if new:
            self._spool.put("config.json", json.dumps(to_dict(experiment), indent=2).encode())
            if self._client is None:
                self._spool.put("run.json", json.dumps(record, indent=2).encode())
        with self._lock:
            earlier = [point for point in self._spool.points() if self._lacks(point, self._last)]
            for point in earlier:
                self._last[point.key] = max(point.step, self._last.get(point.key, -1))
            self._points = earlier + [point for point in self._points if self._lacks(point, self._last)]
            self._kept = len(earlier)
        self._upload()
        return self._given

    def _begin_run(self, experiment: Experiment, record: Mapping[str, Any], client: Any) -> str:
        """The store's id of the run, which is made or reopened there."""
        if self._given is None:
            return mlflow_store.create_run(client, self.uri, experiment, record["tags"], record["parent"], self._token)
        run_id = self._given
        if run_id.startswith(OFFLINE):
            first = json.loads(self._spool.read("run.json") or json.dumps(record))
            run_id = mlflow_store.create_run(client, self.uri, experiment, first["tags"], first["parent"], self._token)
        mlflow_store.reopen_run(client, run_id, record["tags"])
        self._drop(mlflow_store.last_steps(client, run_id))
        return run_id

    def _drop(self, last: Mapping[str, int]) -> None:
        """Forget points that a run whose curves end at `last` has."""
        with self._lock:
            kept = [point for point in self._points[: self._kept] if self._lacks(point, last)]
            self._points = kept + [point for point in self._points[self._kept :] if self._lacks(point, last)]
            self._kept = len(kept)
            for key, step in last.items():
                self._last[key] = max(step, self._last.get(key, -1))

    def _deliver(self, send: Callable[[Any, str], object]) -> bool:
        """Whether `send(client, run id)` reached the store; after a failure the store is left alone for a while."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            if self._client is None:
                assert self._begin is not None
                client = mlflow_store.open_store(self.uri)
                self._stored = self._begin(client)
                self._experiment_id = client.get_run(self._stored).info.experiment_id
                self._given, self._client, self._away = self._given or self._stored, client, True
            send(self._client, self._stored)
            if self._away:  # MLflow's monitor gives up when the store is away
                self._watch()
        except Exception as error:  # noqa: BLE001  (whatever the store does, training goes on)
            self._retry_at, self._away = time.monotonic() + RETRY_SECONDS, True
            self._given = self._given or f"{OFFLINE}{self._token}"
            self._warn(error)
            return False
        self._away = False
        return True

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            text = "tracking store %s does not answer (%s); training goes on, metrics are kept in %s"
            logger.warning(text, mlflow_store.without_password(self.uri), reason, self._spool.folder)
        self._warned = True

    def _watch(self) -> None:
        """Begin to log the machine's load, or begin again."""
        self._unwatch()
        if self._system and not self._finished:
            with contextlib.suppress(Exception):
                self._monitor = mlflow_store.watch_machine(self._stored, self.uri)

    def _unwatch(self) -> None:
        if self._monitor is not None:
            stopping = threading.Thread(target=self._monitor.finish, daemon=True)  # waits for its last request
            stopping.start()
            stopping.join(FINISH_SECONDS)
            self._monitor = None

    def _send(self) -> None:
        """All points, at most 1000 in one request."""
        self._sent = time.monotonic()
        while some := self._points[:1000]:
            if not self._deliver(partial(mlflow_store.send_points, points=some)):
                self._keep()
                return
            with self._lock:
                del self._points[: len(some)]
                self._kept = max(0, self._kept - len(some))
        with self._lock:
            if not self._kept:
                self._spool.clear_points()

    def _upload(self) -> None:
        self._spool.hand_over(lambda file, path: self._deliver(partial(mlflow_store.send_artifact, file=file, path=path)))

    def _finish(self, status: str) -> None:
        self._unwatch()
        deadline = time.monotonic() + FINISH_SECONDS
        closed = False
        while not closed:
            self._retry_at = 0.0
            self._send()
            self._upload()
            closed = self._deliver(lambda client, run: client.set_terminated(run, status))
            if time.monotonic() > deadline:
                break
            if not closed:
                time.sleep(0.5)
        if not closed and not self._points:  # only artifacts are refused
            self._retry_at = 0.0
            self._deliver(lambda client, run: client.set_terminated(run, status))
        self._spool.remove_if_empty()


class NoTracker:
    """The same verbs, doing nothing: for ranks above 0 and for `--no-tracking`."""

    PREFIX = "untracked-"
    uri = ""

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id or f"{self.PREFIX}{uuid.uuid4().hex}"

    @property
    def folder(self) -> Path:
        """Folder of the run's checkpoints and results."""
        return run_folder(self.run_id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...
    def final(self, metrics: Mapping[str, float]) -> None: ...
    def flush(self) -> None: ...
    def table(self, name: str, frame: "pandas.DataFrame") -> None: ...
    def figure(self, name: str, figure: "Figure") -> None: ...
    def text(self, name: str, text: str) -> None: ...
    def finish(self, status: str = "FINISHED") -> None: ...
    def how_to_open(self) -> str:
        return "this run is not tracked"

    def __enter__(self) -> "NoTracker":
        return self

    def __exit__(self, *error: object) -> None: ...


def _tags(experiment: Experiment, data_hash: str) -> dict[str, str]:
    """What a number needs to be traced back, plus the tags behind MLflow's own columns."""
    commit = provenance.commit()
    tags = {
        "commit": commit,
        "dirty": str(provenance.dirty()).lower(),
        "data_hash": data_hash,
        "fingerprint": fingerprint(experiment),
        "seed": str(experiment.seed),
        "host": socket.gethostname(),
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
    }
    with contextlib.suppress(KeyError, OSError):  # a container's user may have no name
        tags["mlflow.user"] = getpass.getuser()
    if job := os.environ.get("RAY_JOB_ID"):
        tags["ray_job"] = job
    return tags | provenance.hardware() | provenance.versions()
