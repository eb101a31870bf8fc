"""A training run in MLflow: its config, provenance, curves, tables and pictures.

MLflow costs 2-4 s to import and to open its database, and a store may be slow or away. So one thread of the tracker talks to
it, in order: `start` returns at once, and `log` neither waits for the store nor fails because of it. The thread leaves the
processor to the first training step: it begins at the first `log`, or when the run's id is asked for. What could not be
delivered lies in `<run folder>/spool/` and is delivered when the store answers again or when the run is reopened.
"""

import contextlib
import getpass
import io
import json
import logging
import os
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gaitlab.experiment import Experiment, fingerprint, to_dict
from gaitlab.home import home
from gaitlab.tracking import mlflow_store, provenance
from gaitlab.tracking.mlflow_store import Point

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

FLUSH_SECONDS = 5.0
FLUSH_POINTS = 500
START_SECONDS = 10.0
"""The store is opened after this long even if nothing was logged."""
RETRY_SECONDS = 60.0
"""After a failed delivery the store is left alone for this long."""

logger = logging.getLogger(__name__)


def run_folder(run_id: str) -> Path:
    """Folder of a run's checkpoints, results and spool."""
    return home() / "runs" / run_id


class Tracker:
    """Opened by `Tracker.start`; a context manager that finishes the run as FINISHED, KILLED (Ctrl-C) or FAILED."""

    def __init__(self, uri: str, run_id: str | None) -> None:
        self.uri = uri
        self._given = run_id
        self._client: Any = None  # mlflow.MlflowClient once connected
        self._monitor: Any = None
        self._experiment_id = ""
        self._buffer: list[Point] = []
        self._undelivered: list[Point] = []
        self._last: dict[str, int] = {}  # key -> last step that the reopened run already has
        self._final: set[str] = set()
        self._flushed = time.monotonic()
        self._retry_at = 0.0
        self._warned = False
        self._finished = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._wanted = threading.Event()
        self._connected: Future[str] = Future()
        self._flushing: Future[None] | None = None

    @classmethod
    def start(
        cls,
        experiment: Experiment,
        *,
        data_hash: str,
        run_id: str | None = None,
        parent: str | None = None,
        tags: Mapping[str, str] = {},
        uri: str | None = None,
        system_metrics: bool = True,
    ) -> "Tracker":
        """Create a run named `experiment.name` (a child of the run `parent`), or reopen `run_id`. Returns at once.

        Reopened, steps that the run already has are dropped from `log`, so a resumed loop may repeat them.
        """
        tracker = cls(mlflow_store.absolute(uri or mlflow_store.default_uri()), run_id)
        tracker._connected = tracker._thread.submit(tracker._connect, experiment, data_hash, parent, dict(tags), system_metrics)
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
        self._wanted.set()
        now = int(time.time() * 1000)
        self._buffer += [Point(mlflow_store.legal(key), float(value), step, now) for key, value in metrics.items()]
        due = len(self._buffer) >= FLUSH_POINTS or time.monotonic() - self._flushed >= FLUSH_SECONDS
        if due and (self._flushing is None or self._flushing.done()):
            self._flushing = self._thread.submit(self._flush)

    def final(self, metrics: Mapping[str, float]) -> None:
        """Results of the run, e.g. `casia-b/rank1`: one value each, the newest counts."""
        self._final |= {mlflow_store.legal(key) for key in metrics}
        self.log(0, metrics)

    def flush(self) -> None:
        """Returns when all that was logged is in the store or in the spool; a checkpoint follows it, so no curve has a gap."""
        self._wanted.set()
        self._thread.submit(self._flush).result()

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
        run_id = self._connection()
        if self._client is None:
            return f"the store {self.uri} did not answer; the run's metrics lie in {self._spool}"
        page = f"#/experiments/{self._experiment_id}/runs/{run_id}"
        if self.uri.startswith("http"):
            return f"{self.uri.rstrip('/')}/{page}"
        program = Path(sys.executable).with_name("mlflow")
        return f"{program} server --backend-store-uri {self.uri} --port 5000\nhttp://127.0.0.1:5000/{page}"

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

    def _artifact(self, path: str, content: bytes) -> None:
        """Into the spool now, to the store in the tracker's thread."""
        self._connection()
        self._store(path, content)
        self._thread.submit(self._upload)

    # -- everything below runs in the tracker's own thread ----------------------------------------------------------------

    def _connect(self, experiment: Experiment, data_hash: str, parent: str | None, tags: dict[str, str], system: bool) -> str:
        """The run's id; an id of our own when the store is away."""
        self._wanted.wait(START_SECONDS)
        tags = _tags(experiment, data_hash) | tags
        run_id, new = self._given, self._given is None
        try:
            client = mlflow_store.open_store(self.uri)
            if run_id is None:
                run_id = mlflow_store.create_run(client, self.uri, experiment, tags, parent)
            else:
                mlflow_store.reopen_run(client, run_id, tags)
                self._last = mlflow_store.last_steps(client, run_id)
            self._experiment_id = client.get_run(run_id).info.experiment_id
            self._given, self._client = run_id, client
            if system:
                self._monitor = mlflow_store.watch_machine(run_id, self.uri)
        except Exception as error:  # noqa: BLE001  (whatever the store does, training goes on)
            self._given = run_id or f"offline-{uuid.uuid4().hex}"
            self._warn(error)
        if new:
            self._store("config.json", json.dumps(to_dict(experiment), indent=2).encode())
        if self._client is None:
            record = {"name": experiment.name, "parent": parent, "tags": tags}
            self._store("run.json", json.dumps(record, indent=2).encode())
        self._undelivered = self._spooled()
        self._upload()
        return self._given

    @property
    def _spool(self) -> Path:
        assert self._given is not None
        return run_folder(self._given) / "spool"

    def _deliver(self, send: Callable[[], None]) -> bool:
        """Whether `send` reached the store; after a failure the store is left alone for a while."""
        if self._client is None or time.monotonic() < self._retry_at:
            return False
        try:
            send()
        except Exception as error:  # noqa: BLE001  (whatever the store does, training goes on)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._warn(error)
            return False
        return True

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            text = "tracking store %s does not answer (%s); training goes on, metrics are kept in %s"
            logger.warning(text, self.uri, reason, self._spool)
        self._warned = True

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        taken = len(self._buffer)
        fresh, self._buffer[:taken] = self._buffer[:taken], []
        fresh = [p for p in fresh if p.step > self._last.get(p.key, -1) or p.key in self._final]
        points = self._undelivered + fresh
        if not points:
            return

        def send() -> None:
            while points:
                mlflow_store.send_points(self._client, self._given, points[:1000])
                del points[:1000]

        curves = self._spool / "metrics.jsonl"
        delivered = self._deliver(send)
        self._undelivered = points
        if delivered:
            curves.unlink(missing_ok=True)
        else:
            curves.parent.mkdir(parents=True, exist_ok=True)
            with curves.open("a") as file:
                file.writelines(json.dumps(point._asdict()) + "\n" for point in fresh)

    def _spooled(self) -> list[Point]:
        """Points that an earlier process of this run could not deliver and that the run does not have yet."""
        curves = self._spool / "metrics.jsonl"
        points = []
        for line in curves.read_text().splitlines() if curves.exists() else []:
            with contextlib.suppress(ValueError, TypeError):  # the last line of a killed process may be cut
                points.append(Point(**json.loads(line)))
        points = [p for p in points if p.step > self._last.get(p.key, -1)]
        for point in points:
            self._last[point.key] = max(point.step, self._last.get(point.key, -1))
        return points

    def _store(self, path: str, content: bytes) -> None:
        target = self._spool / "artifacts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._spool / f"unfinished-{uuid.uuid4().hex}"
        unfinished.write_bytes(content)
        unfinished.replace(target)

    def _upload(self) -> None:
        root = self._spool / "artifacts"
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            path = file.relative_to(root)
            if self._deliver(partial(mlflow_store.send_artifact, self._client, self._given, file, path)):
                file.unlink(missing_ok=True)

    def _finish(self, status: str) -> None:
        if self._monitor is not None:
            self._monitor.finish()
        self._retry_at = 0.0
        self._flush()
        self._upload()
        self._deliver(lambda: self._client.set_terminated(self._given, status))
        if not any(path.is_file() for path in self._spool.rglob("*")):
            shutil.rmtree(self._spool, ignore_errors=True)


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
