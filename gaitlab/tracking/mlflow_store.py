"""What the tracker asks of MLflow; imported here and nowhere else, inside functions, since the import takes 2 s."""

import hashlib
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gaitlab.home import home, sqlite_url
from gaitlab.runs import claim
from gaitlab.runs.folder import run_folder
from gaitlab.tracking.record import Record, kept_record
from gaitlab.tracking.spool import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

OFFLINE = "offline-"
"""Begins the id of a run that began without a store; one that it comes into later names the run by an id of its own."""
START = "gaitlab.start"
"""Tag by which a run is found again whose creation was asked for, but not answered or not written down."""


def default_uri() -> str:
    """$MLFLOW_TRACKING_URI, or the SQLite file in gaitlab's home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url(home() / "mlflow.db")


def absolute(uri: str) -> str:
    """A SQLite file's path made absolute, since workers and jobs run in other folders. ValueError if a database's driver is missing."""
    if uri.startswith(("postgresql:", "postgresql+psycopg:")) and find_spec("psycopg") is None:
        raise ValueError(f"the tracking store {without_password(uri)} needs a driver: pip install 'gaitlab[postgres]'")
    database = database_file(uri)
    if database is None:
        return uri
    _, asks, options = uri.partition("?")
    return f"{sqlite_url(database.expanduser().resolve())}{asks}{options}"


def without_password(uri: str) -> str:
    """`uri` as it may be printed."""
    return re.sub(r"(?<=://)([^:/@]*):[^@/]*@", r"\1:***@", uri)


def page_of(uri: str, page: str) -> str:
    """Address of a page of MLflow's UI, and where no server has the store, what to type first."""
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}/{page}"
    program = str(Path(sys.executable).with_name("mlflow"))
    line = shlex.join([program, "server", "--backend-store-uri", without_password(uri), "--port", "5000"])
    return f"{line}\nhttp://127.0.0.1:5000/{page}"


def database_file(uri: str) -> Path | None:
    """File of a SQLite store, None for a server."""
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0])) if uri.startswith("sqlite:///") else None


def open_store(uri: str) -> "MlflowClient":
    """A client. A database's first one makes its tables (1.5-5 s), one process at a time: parallel migrations break each other."""
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    brief = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    for name, value in (quiet | brief).items():
        os.environ.setdefault(name, value)
    from filelock import FileLock
    from mlflow import MlflowClient

    if uri.startswith("http"):
        return MlflowClient(tracking_uri=uri)
    database = database_file(uri) or home() / f"mlflow-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        return MlflowClient(tracking_uri=uri)


def tags_of(run_id: str) -> dict[str, str]:
    """The tags of a run, e.g. `commit`, as its folder or the default store has them; none for a run that was not tracked."""
    if kept := kept_record(run_folder(run_id)):
        return kept["tags"]
    run = None if run_id.startswith("untracked-") else find_run(open_store(default_uri()), run_id)
    return dict(run.data.tags) if run else {}


def find_run(client: "MlflowClient", run_id: str) -> "Run | None":
    """The run of that id, or that was begun under it elsewhere; None if the store has none."""
    from mlflow.exceptions import MlflowException

    if not run_id.startswith(OFFLINE):
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
    begun = _begun_under(client, run_id.removeprefix(OFFLINE))
    return begun[0] if begun else None


def create_run(client: "MlflowClient", uri: str, record: Record, token: str) -> str:
    """The run that was begun under `token`, with its parameters, under its parent.

    A request that was carried out but not answered, and so made again, leaves twins; all but the first of them go.
    """
    from mlflow.entities import Param

    if not (begun := _begun_under(client, token)):
        parent = record["parent"] and find_run(client, record["parent"])
        nested = {"mlflow.parentRunId": parent.info.run_id if parent else record["parent"]} if record["parent"] else {}
        tags = {**record["tags"], **nested, START: token}
        client.create_run(experiment_id(client, uri), start_time=record.get("start"), run_name=record["name"], tags=tags)
        begun = _begun_under(client, token)
    run, *twins = begun
    for twin in twins:
        client.delete_run(twin.info.run_id)
    there = run.data.params  # never to be changed
    params = [Param(legal(key), value[:6000]) for key, value in record.get("params", {}).items() if legal(key) not in there]
    for start in range(0, len(params), 100):
        client.log_batch(run.info.run_id, params=params[start : start + 100])
    return str(run.info.run_id)


def _begun_under(client: "MlflowClient", token: str) -> "list[Run]":
    """Runs that were begun under a token, the oldest first."""
    families = [family.experiment_id for family in client.search_experiments()]
    return list(client.search_runs(families, f"tags.`{START}` = '{token}'", order_by=["attributes.start_time ASC"]))


def adopt(client: "MlflowClient", run_id: str, known_as: str) -> None:
    """Put the runs under `run_id` that took `known_as` for their parent when the store did not have it yet."""
    families = [family.experiment_id for family in client.search_experiments()]
    for child in client.search_runs(families, f"tags.`mlflow.parentRunId` = '{known_as}'", max_results=50_000):
        client.set_tag(child.info.run_id, "mlflow.parentRunId", run_id)


def reopen_run(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Mark the run as running again, here."""
    client.update_run(run_id, status="RUNNING")
    went_on(client, run_id, tags)


def close_dead(client: "MlflowClient", experiment: str) -> None:
    """Mark runs as killed that are running by the store, and in whose folder, which is here, nobody works; as of their last trace there."""
    from mlflow.entities import RunStatus

    running = RunStatus.to_string(RunStatus.RUNNING)
    for run in client.search_runs([experiment], f"attributes.status = '{running}'", max_results=1000):
        for name in (run.info.run_id, f"{OFFLINE}{run.data.tags.get(START)}"):
            folder = run_folder(name)
            if claim.dead(folder) and client.get_run(run.info.run_id).info.status == running:  # it may have ended since it was found
                last = max(path.stat().st_mtime for path in folder.rglob("*"))
                client.set_terminated(run.info.run_id, "KILLED", int(1000 * last))


def went_on(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Where the run was resumed; the commit it began with stays, a different one goes to `commit_resumed`."""
    from mlflow.entities import RunTag

    begun = client.get_run(run_id).data.tags
    here = {key: value for key, value in tags.items() if key not in ("commit", "dirty", "mlflow.source.git.commit")}
    if begun.get("commit") != (now := tags.get("commit", begun.get("commit"))):
        here["commit_resumed"] = str(now)
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in here.items() if begun.get(key) != value])


def experiment_id(client: "MlflowClient", uri: str) -> str:
    """The MLflow experiment $MLFLOW_EXPERIMENT_NAME or "gaitlab", made on first use.

    A server decides where artifacts lie; those of a SQLite file lie beside it, of another database in gaitlab's home, so that
    all machines need the same one (MLflow's default is the working folder).
    """
    from mlflow.exceptions import MlflowException

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "gaitlab"
    found = client.get_experiment_by_name(name)
    if found is None:
        database = database_file(uri)
        folder = None if uri.startswith("http") else (database.parent if database else home()) / "mlartifacts"
        try:
            return str(client.create_experiment(name, artifact_location=folder.as_uri() if folder else None))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def last_steps(client: "MlflowClient", run_id: str) -> dict[str, int]:
    """Metric -> last step that the store has of it."""
    keys = [key for key in client.get_run(run_id).data.metrics if not key.startswith("system/")]
    return {key: max(metric.step for metric in client.get_metric_history(run_id, key)) for key in keys}


def send_points(client: "MlflowClient", run_id: str, points: Sequence[Point]) -> None:
    """At most 1000 points in one request."""
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(p.key, p.value, p.time, p.step) for p in points])


def send_artifact(client: "MlflowClient", run_id: str, file: Path, path: Path) -> None:
    """Upload `file` as the run's artifact `path`; a table is also named in the tag by which the UI and `load_table` find it."""
    folder = path.parent.as_posix()
    client.log_artifact(run_id, str(file), None if folder == "." else folder)
    if folder == "tables":
        entry = {"path": path.as_posix(), "type": "table"}
        known = json.loads(client.get_run(run_id).data.tags.get("mlflow.loggedArtifacts", "[]"))
        if entry not in known:
            client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps([*known, entry]))


def watch_machine(run_id: str, uri: str) -> "SystemMetricsMonitor":
    """CPU, memory, disk, network and GPU load of this machine every 10 s, as `system/<host>/...`."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, resume_logging=True, node_id=legal(socket.gethostname()), tracking_uri=uri)
    monitor.start()
    return monitor


def legal(name: str) -> str:
    """`name` with what MLflow refuses in a name replaced by `_`, and no longer than it takes."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]
