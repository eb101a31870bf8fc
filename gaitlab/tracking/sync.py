"""Runs that MLflow lacks, or lacks a part of, brought into it from their folders: in order, each point once, children under parents.

Killed and repeated, it goes on where it was: points leave a spool when the store has all of them, and those that the store has are
not sent again. Of a run that trains without a store meanwhile the store gets what is there, and the folder keeps it; the rest comes
with the next time.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from gaitlab.config import flatten
from gaitlab.home import home
from gaitlab.runs import claim
from gaitlab.runs.folder import OUTCOME, has_config, read_config, run_folder
from gaitlab.tracking import delivery, mlflow_store
from gaitlab.tracking.backlog import Backlog
from gaitlab.tracking.record import RECORD, Record, kept_record
from gaitlab.tracking.spool import Ending, Spool

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo


def sync(runs: Sequence[str] = (), uri: str | None = None) -> None:
    """Bring runs into the store at `uri` (the default one), a line for each; without names all that have something to deliver.

    ValueError for an id that is no run's before anything is sent, for a store that does not answer, and at the end for runs that could
    not be brought.
    """
    for run in runs:
        check(run)
    if find_spec("mlflow") is None:
        raise ValueError("MLflow is not installed here: pip install mlflow")
    ordered = list(_parents_first(runs or waiting()))
    if not ordered:
        print("no run waits to be brought into MLflow")
        return
    uri = mlflow_store.absolute(uri or mlflow_store.default_uri())
    failed, client = [], None
    for number, run in enumerate(ordered, 1):
        try:
            client = client or mlflow_store.open_store(uri)
            said = _bring(client, uri, run)
        except ValueError as error:
            failed.append(str(error))
            said = f"{run} stays: {error}"
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            store = mlflow_store.without_password(uri)
            raise ValueError(
                f"the tracking store {store} does not answer ({reason}) after {number - 1} of {len(ordered)} runs; "
                "what it lacks stays where it is, and the same line goes on"
            ) from error
        print(f"{number} of {len(ordered)}: {said}", flush=True)
    if failed:
        raise ValueError(f"{len(failed)} of {len(ordered)} runs could not be brought: {'; '.join(failed)}")


def check(run: str) -> None:
    """ValueError unless it is the id of a run whose folder is here."""
    folder = run_folder(run)
    if Path(run).name != run or not (has_config(folder) or (folder / RECORD).exists() or (folder / "spool").is_dir()):
        raise ValueError(f"no run {run!r} in {home() / 'runs'}, nor a folder that pipelines/pack.py wrote")


def waiting() -> list[str]:
    """Ids of the runs that have something to deliver."""
    return sorted(spool.parent.name for spool in (home() / "runs").glob("*/spool") if not Spool(spool).empty())


def _parents_first(runs: Sequence[str]) -> Iterator[str]:
    """The runs, each once and behind its parent, which comes along if it waits, too; else in the order in which they began."""
    records = {run: _record(run) for run in {*runs, *waiting()}}
    left = sorted(runs, key=lambda run: (record.get("start", 0) if (record := records[run]) else 0, run))
    seen: set[str] = set()
    while left:
        line = [left.pop(0)]
        while (record := records[line[-1]]) and (parent := record["parent"]) in records and parent not in line:
            line.append(parent)
        for run in reversed(line):
            if run not in seen:
                seen.add(run)
                yield run


def _record(run: str) -> Record | None:
    """What the run began with, as far as its folder can say; a damaged one is told when the run's turn comes."""
    try:
        return kept_record(run_folder(run)) or delivery.went_on_as(run)
    except ValueError:
        return None


def _begun_as(run: str) -> Record:
    """What the run began with. ValueError for a run of before that kept none of it."""
    record = kept_record(run_folder(run)) or delivery.went_on_as(run)
    if record is None:
        raise ValueError(f"run {run} kept nothing that a store could make it of; it began in another store, or with an older gaitlab")
    if "params" not in record and has_config(run_folder(run)):  # of before
        record["params"] = {key: str(value) for key, value in flatten(read_config(run_folder(run))).items()}
    return record


def _bring(client: "MlflowClient", uri: str, run: str) -> str:
    """One run, as far as it can go; the line about it."""
    folder = run_folder(run)
    try:
        with FileLock(folder / "sync.lock", timeout=0), claim.alone(folder) as trains_into:
            if trains_into:
                return f"{run} trains and delivers to {trains_into} itself: left to it"
            return _deliver(client, uri, run, Spool(folder / "spool"), goes_on=trains_into is not None)
    except Timeout:
        return f"{run} is being brought by another process: left to it"


def _deliver(client: "MlflowClient", uri: str, run: str, spool: Spool, *, goes_on: bool) -> str:
    if spool.empty():
        return f"{run} has nothing to deliver"
    last = delivery.went_on_as(run)
    stored = delivery.taken_up(client, uri, run, partial(_begun_as, run))
    begun = client.get_run(stored).info
    ending, said = spool.ending(), ""
    if not goes_on and ending is None:
        ending = _presumed(run, spool, begun, closed=last is None and begun.status not in ("RUNNING", "SCHEDULED"))
        spool.end(ending)  # before all else: cut short behind the last point, nothing would say that the run is to be closed
        said = "; how it ended is not known, so it counts as killed" if ending.status == "KILLED" else ""
    if last:
        mlflow_store.went_on(client, stored, last["tags"])
    if run != stored:
        mlflow_store.adopt(client, stored, run)

    backlog = Backlog()
    backlog.open(spool)
    backlog.drop(mlflow_store.last_steps(client, stored))
    points = len(backlog)
    while len(backlog):
        backlog.hand_over(partial(mlflow_store.send_points, client, stored))
    files = 0

    def send(file: Path, path: Path) -> bool:
        nonlocal files
        if path.as_posix() != delivery.RUN:
            mlflow_store.send_artifact(client, stored, file, path)
            files += 1
        return not goes_on  # else what trains may replace it meanwhile

    if goes_on:
        spool.hand_over(send)
        client.update_run(stored, status="RUNNING")
        return f"{begun.run_name} {run} -> {stored}, {points} points, {files} files; it trains on, so repeat this when it has ended"
    assert ending is not None
    backlog.tidy()
    spool.hand_over(send)
    client.set_terminated(stored, ending.status, ending.time)
    spool.end(None)
    spool.remove_if_empty()
    return f"{begun.run_name} {run} -> {stored}, {points} points, {files} files{said}"


def _presumed(run: str, spool: Spool, begun: "RunInfo", *, closed: bool) -> Ending:
    """The end of a run that left none. closed: by what left the spool behind, as an older gaitlab did."""
    if closed:
        return Ending(begun.status, begun.end_time or begun.start_time)
    last = max((point.time for point in spool.points()), default=begun.start_time)
    return Ending("FINISHED" if (run_folder(run) / OUTCOME).exists() else "KILLED", last)
