"""A training run in MLflow: its config, provenance, curves, tables and pictures.

MLflow costs 2-4 s to import and to open its database, and a store may be slow or away. So one thread of the tracker talks to
it, in order: `start` returns at once, and `log` and `flush` neither wait for the store nor fail because of it. The thread
leaves the processor to the first training step: it begins at the first `log`, or when the run's id is asked for. What could
not be delivered lies in `<run folder>/spool/` and is delivered when the store answers again or when the run is reopened.

In order: points leave from the front of one queue, and only once the store has said that it has them. None twice: a reopened
run first asks for the last step of every curve and drops what is not newer; a request that was carried out but not answered
is sent again with the same times, and MLflow's databases hold a point of one key, step, time and value once.

A run without a store (`--no-tracking`, or MLflow is not installed) keeps all of it there, and `pipelines/sync.py` brings it into one.

`backlog` is the queue, `delivery` what the thread does, and here is what a training loop sees.
"""

import io
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gaitlab.experiment import Experiment
from gaitlab.runs.folder import run_folder
from gaitlab.tracking import mlflow_store
from gaitlab.tracking.backlog import Backlog
from gaitlab.tracking.delivery import Beginning, Delivery
from gaitlab.tracking.mlflow_store import OFFLINE
from gaitlab.tracking.spool import Point

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

FLUSH_SECONDS = 5.0
FLUSH_POINTS = 500
START_SECONDS = 10.0
"""The store is opened after this long even if nothing was logged."""


class MlflowTracker:
    """Opened by `MlflowTracker.start`; a context manager that finishes the run as FINISHED, KILLED (Ctrl-C) or FAILED."""

    def __init__(
        self,
        delivery: Delivery,
        backlog: Backlog,
        begins: Callable[[str], None] | None,
        renamed: Callable[[str], None],
        known: Callable[[str], None],
    ) -> None:
        self.uri = delivery.uri
        self._resumed = delivery.run_id
        self._renamed, self._known = renamed, known
        if begins and self._resumed is None:
            begins(delivery.begin_here())
        self._delivery = delivery
        self._backlog = backlog
        self._finished = False
        self._wanted = threading.Event()
        if not self.uri:  # nothing to wait for
            self._wanted.set()
        self._sent = time.monotonic()
        self._sending: Future[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._begun = self._thread.submit(self._begin)

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
        begins: Callable[[str], None] | None = None,
        renamed: Callable[[str], None] = lambda run: None,
        known: Callable[[str], None] = lambda run: None,
    ) -> "MlflowTracker":
        """Create a run named `experiment.name` (a child of the run `parent`), or reopen `run_id`. Returns at once.

        Reopened, steps that the run already has are dropped from `log`, so a resumed loop may repeat them. token: begun under one, a run
        is there once, however often it is begun: for a caller that may be killed before it has written down the new run's id.
        begins: called before the return, of a new run, with an id of its own under which its folder is there at once; without it there is
        none before the store has answered. renamed: called with the store's id, once that is the folder's name. known: with the id that
        the run keeps. Both in the tracker's thread.
        uri: of the store; the default one if None; "" for none, and so it is where MLflow is not installed.
        ValueError for a database whose driver is not installed.
        """
        wanted = uri != "" and find_spec("mlflow") is not None
        store = mlflow_store.absolute(uri or mlflow_store.default_uri()) if wanted else ""
        if run_id and run_id.startswith(OFFLINE):
            token = run_id.removeprefix(OFFLINE)
        beginning = Beginning(experiment=experiment, data_hash=data_hash, parent=parent, tags=dict(tags), token=token or uuid.uuid4().hex)
        backlog = Backlog()
        return cls(Delivery(store, beginning, backlog, run_id=run_id, watches=system_metrics), backlog, begins, renamed, known)

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; waits for the store when the run is new (`offline-...` if the store is away, or if there is none)."""
        return self._resumed or self._wait()

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
        self._wait()
        self._backlog.keep()
        self._send_soon()

    def table(self, name: str, frame: "pandas.DataFrame") -> None:
        """The artifact tables/NAME.json, shown by the UI and read by `mlflow.load_table`; replaces an older one of that name."""
        self._artifact(f"tables/{name}.json", frame.to_json(orient="split", index=False, date_format="iso").encode())

    def figure(self, name: str, draw: "Callable[[], Figure]") -> None:
        """The artifact figures/NAME.png."""
        picture = io.BytesIO()
        draw().savefig(picture, format="png", dpi=120)
        self._artifact(f"figures/{name}.png", picture.getvalue())

    def film(self, name: str, draw: Callable[[], bytes]) -> None:
        """The artifact figures/NAME.gif."""
        self._artifact(f"figures/{name}.gif", draw())

    def text(self, name: str, text: str) -> None:
        """The artifact NAME (with its ending, e.g. `casia-b.md`)."""
        self._artifact(name, text.encode())

    def finish(self, status: str = "FINISHED") -> None:
        """Deliver what is left and close the run: FINISHED | FAILED | KILLED. A second call does nothing."""
        if self._finished:
            return
        self._finished = True
        self._delivery.watches = False
        self._wanted.set()
        self._thread.submit(self._delivery.finish, status).result()
        self._thread.shutdown()

    def how_to_open(self) -> str:
        """What to type, and the page of this run; for a run without a store, what brings it into one."""
        sync = f"python pipelines/sync.py {self._wait()}"
        if not self.uri:
            return sync
        stored = self._delivery.stored
        if stored is None:
            store, lie = mlflow_store.without_password(self.uri), self._delivery.spool.folder
            return f"the store {store} did not answer; the run's metrics lie in {lie}; deliver them with: {sync}"
        return mlflow_store.page_of(self.uri, f"#/experiments/{stored.experiment}/runs/{stored.run}")

    def __enter__(self) -> "MlflowTracker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("KILLED" if issubclass(kind, (KeyboardInterrupt, SystemExit)) else "FAILED")

    def _wait(self) -> str:
        """For the run to begin; its id."""
        self._wanted.set()
        return self._begun.result()

    def _log(self, step: int, metrics: Mapping[str, float], *, final: bool = False) -> None:
        self._wanted.set()
        now = int(time.time() * 1000)
        self._backlog.add([Point(mlflow_store.legal(key), float(value), step, now, final) for key, value in metrics.items()])
        if len(self._backlog) >= FLUSH_POINTS or time.monotonic() - self._sent >= FLUSH_SECONDS:
            self._send_soon()

    def _send_soon(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = self._thread.submit(self._send)

    def _artifact(self, path: str, content: bytes) -> None:
        """Into the spool now, to the store in the tracker's thread."""
        self._wait()
        self._delivery.spool.put(path, content)
        self._thread.submit(self._delivery.artifacts)

    # -- in the tracker's own thread --------------------------------------------------------------------------------------

    def _begin(self) -> str:
        self._wanted.wait(START_SECONDS)
        run = self._delivery.begin()
        if run != self._delivery.first_id:
            self._renamed(run)
        self._known(run)
        self._thread.submit(self._delivery.close_dead)
        return run

    def _send(self) -> None:
        self._sent = time.monotonic()
        self._delivery.points()


class NoTracker:
    """The same verbs, doing nothing: for ranks above 0, and for tests of a folder."""

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
    def figure(self, name: str, draw: "Callable[[], Figure]") -> None: ...
    def film(self, name: str, draw: Callable[[], bytes]) -> None: ...
    def text(self, name: str, text: str) -> None: ...
    def finish(self, status: str = "FINISHED") -> None: ...
    def how_to_open(self) -> str:
        return "this run is not tracked"

    def __enter__(self) -> "NoTracker":
        return self

    def __exit__(self, *error: object) -> None: ...
