"""Runs against a real SQLite store in a temporary folder."""

import inspect
import json
import math
import multiprocessing
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure
import optuna
import pandas as pd
import pytest
from filelock import FileLock

from gaitlab.config import fingerprint, from_dict
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Experiment, OptimConfig
from gaitlab.method import MethodConfig
from gaitlab.runs import claim
from gaitlab.runs.folder import run_folder
from gaitlab.sweeps.study import default_storage
from gaitlab.tracking import mlflow_store, provenance
from gaitlab.tracking.runs import MlflowTracker, NoTracker
from tests.processes import SERVER, Started
from tests.tracking.servers import migrated


@dataclass(frozen=True, kw_only=True)
class Plain(MethodConfig):
    margin: float = 0.2
    parts: tuple[int, ...] = (1, 2)


NOBODY_LISTENS = "http://127.0.0.1:9"
EXPERIMENT = Experiment(name="tiny", method=Plain(), data=DataConfig(root="walks"), seed=3)


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a store that does not exist yet; all tests of this file write into it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def start(**arguments: str) -> MlflowTracker:
    return MlflowTracker.start(EXPERIMENT, data_hash="d4ta", system_metrics=False, **arguments)  # type: ignore[arg-type]


def curve(uri: str, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in mlflow_store.open_store(uri).get_metric_history(run_id, key)]


def artifacts_of(uri: str, run_id: str) -> Path:
    return Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts" / run_id / "artifacts"


def write_hundred(queue: "multiprocessing.Queue[str]") -> None:
    with start() as tracker:
        for step in range(100):
            tracker.log(step, {"loss": step / 7})
            if step % 10 == 0:
                tracker.flush()
    queue.put(tracker.run_id)


def test_two_first_processes_write_at_once(store: str) -> None:
    """Both find no database: one creates it, neither loses a point."""
    queue: multiprocessing.Queue[str] = SERVER.Queue()
    writers = [Started(write_hundred, queue) for _ in range(2)]
    runs = [queue.get(timeout=200) for _ in writers]
    for writer in writers:
        said = writer.communicate(60)
        assert writer.returncode == 0, said
    assert len(set(runs)) == 2
    for run_id in runs:
        assert curve(store, run_id, "loss") == [(step, step / 7) for step in range(100)]


def test_a_run_holds_what_a_number_needs(store: str) -> None:
    import mlflow

    with FileLock(f"{mlflow_store.database_file(store)}.lock"):  # start and log do not wait for a store that cannot be opened yet
        tracker = start()
        tracker.log(0, {"train/triplet": 0.5, "odd name %": math.nan})
    frame = pd.DataFrame({"probe": ["NM", "CL"], "rank-1": [97.25, 61.5]})
    figure = matplotlib.figure.Figure()
    figure.subplots().plot([1, 2], [90.0, 95.0])
    with tracker:
        tracker.table("casia-b", pd.DataFrame({"probe": ["old"]}))
        tracker.table("casia-b", frame)
        tracker.figure("cmc", lambda: figure)
        tracker.text("casia-b.md", "| NM |")
        tracker.final({"casia-b/rank1": 79.0})
        tracker.final({"casia-b/rank1": 79.4})

    client = mlflow_store.open_store(store)
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "tiny")
    assert run.data.params["method.margin"] == "0.2"
    assert run.data.params["optim.lr"] == "0.1"
    expected = {"commit": provenance.commit(), "data_hash": "d4ta", "fingerprint": fingerprint(EXPERIMENT), "seed": "3"}
    assert expected.items() <= run.data.tags.items()
    assert {"cpu", "gpu", "ram", "cores", "python", "torch", "dirty"} <= run.data.tags.keys()
    assert run.data.metrics["train/triplet"] == 0.5
    assert math.isnan(run.data.metrics["odd name _"])
    assert run.data.metrics["casia-b/rank1"] == 79.4
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("gaitlab")
    again = mlflow.load_table("tables/casia-b.json", run_ids=[tracker.run_id])
    mlflow.set_tracking_uri(None)  # which also sets a variable of the environment
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    artifacts = artifacts_of(store, tracker.run_id)
    assert (artifacts / "figures" / "cmc.png").read_bytes().startswith(b"\x89PNG")
    assert (artifacts / "casia-b.md").read_text() == "| NM |"
    config = json.loads((artifacts / "config.json").read_text())
    assert from_dict(config["optim"], OptimConfig) == EXPERIMENT.optim
    assert not (tracker.folder / "spool").exists()
    assert tracker.run_id in tracker.how_to_open()
    assert f"--backend-store-uri {store}" in tracker.how_to_open()


def test_reopened_run_has_every_step_once(store: str) -> None:
    first = start()
    for step in range(10):
        first.log(step, {"loss": float(step)})
    first.log(4, {"rank1": 50.0})
    first.finish("KILLED")
    with start(run_id=first.run_id) as second:
        for step in range(6, 15):  # steps 6-9 lie behind the checkpoint that was resumed
            second.log(step, {"loss": float(step)})
        second.log(9, {"rank1": 60.0})
    assert second.run_id == first.run_id
    assert curve(store, first.run_id, "loss") == [(step, float(step)) for step in range(15)]
    assert curve(store, first.run_id, "rank1") == [(4, 50.0), (9, 60.0)]
    assert mlflow_store.open_store(store).get_run(first.run_id).info.status == "FINISHED"


def test_failed_child_run(store: str) -> None:
    with start() as parent:
        pass
    with pytest.raises(ZeroDivisionError), start(parent=parent.run_id) as child:
        _ = 1 / 0
    run = mlflow_store.open_store(store).get_run(child.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id


def test_what_was_kept_on_disk_arrives_when_the_run_is_reopened(store: str, caplog: pytest.LogCaptureFixture) -> None:
    with start() as tracker:
        tracker.log(0, {"loss": 0.0})
    with start(run_id=tracker.run_id, uri=NOBODY_LISTENS) as cut_off:
        for step in (0, 1, 2):
            cut_off.log(step, {"loss": float(step)})
            cut_off.flush()
        cut_off.text("note.txt", "kept")
    spool = tracker.folder / "spool"
    with (spool / "metrics.jsonl").open("a") as file:
        file.write('{"key": "loss", "val')  # as a killed process leaves it
    with start(run_id=tracker.run_id) as again:
        again.log(2, {"loss": 2.0})
        again.log(3, {"loss": 3.0})
    assert [r.levelname for r in caplog.records if r.name.startswith("gaitlab")] == ["WARNING"]
    assert curve(store, tracker.run_id, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]
    assert (artifacts_of(store, tracker.run_id) / "note.txt").read_text() == "kept"
    assert not spool.exists()


def test_steps_that_a_resumed_loop_repeats_while_the_store_is_away(store: str) -> None:
    """When it comes back it is asked what it has before anything is sent; more points than go into one request."""
    with start() as first:
        for step in range(2000):
            first.log(step, {"loss": float(step)})
    database = sqlite3.connect(store.removeprefix("sqlite:///"))
    database.execute("ALTER TABLE metrics RENAME TO elsewhere")
    second = start(run_id=first.run_id)
    second.flush()
    for step in range(500, 2600):
        second.log(step, {"loss": float(step)})
    database.execute("ALTER TABLE elsewhere RENAME TO metrics")
    database.close()
    second.finish()
    assert curve(store, first.run_id, "loss") == [(step, float(step)) for step in range(2600)]


def test_store_that_fails_for_a_moment(store: str) -> None:
    database = sqlite3.connect(store.removeprefix("sqlite:///"))
    with start() as tracker:
        assert tracker.run_id
        database.execute("ALTER TABLE metrics RENAME TO elsewhere")
        tracker.log(0, {"loss": 1.0})
        tracker.flush()
        assert json.loads((tracker.folder / "spool" / "metrics.jsonl").read_text())["value"] == 1.0
        database.execute("ALTER TABLE elsewhere RENAME TO metrics")
        database.close()
        tracker.log(1, {"loss": 0.5})
    assert curve(store, tracker.run_id, "loss") == [(0, 1.0), (1, 0.5)]
    assert not (tracker.folder / "spool").exists()


def test_unreachable_server_leaves_everything_on_disk(caplog: pytest.LogCaptureFixture) -> None:
    with start(uri=NOBODY_LISTENS) as tracker:
        tracker.log(0, {"loss": 1.0})
        tracker.table("casia-b", pd.DataFrame({"rank-1": [1.0]}))
    assert tracker.run_id.startswith("offline-")
    spool = tracker.folder / "spool"
    assert json.loads((spool / "metrics.jsonl").read_text())["value"] == 1.0
    assert json.loads((spool / "artifacts" / "run.json").read_text())["tags"]["data_hash"] == "d4ta"
    assert (spool / "artifacts" / "tables" / "casia-b.json").exists()
    assert len([r for r in caplog.records if r.name.startswith("gaitlab")]) == 1
    assert str(spool) in tracker.how_to_open()


def test_load_of_the_machine_is_logged(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    with MlflowTracker.start(EXPERIMENT, data_hash="d4ta") as tracker:
        assert tracker.run_id
        time.sleep(0.6)
    keys = mlflow_store.open_store(store).get_run(tracker.run_id).data.metrics
    assert any(key.startswith("system/") and key.endswith("/cpu_utilization_percentage") for key in keys)


def test_no_tracker_has_the_same_verbs() -> None:
    def verbs(cls: type) -> dict[str, list[str]]:
        functions = inspect.getmembers(cls, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in functions if not name.startswith("_")}

    assert verbs(NoTracker) == verbs(MlflowTracker)
    assert {"run_id", "uri", "folder"} <= set(dir(NoTracker()))


def test_mlflow_is_imported_only_when_a_run_starts() -> None:
    code = "import sys, gaitlab.tracking.runs; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_git_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path)]
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        subprocess.run(git + words, check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.delenv("GAITLAB_COMMIT", raising=False)
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    assert (provenance.commit.__wrapped__(), provenance.dirty.__wrapped__()) == (head, False)
    (tmp_path / "file").write_text("2")
    assert provenance.dirty.__wrapped__() is True
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path / "job-copy")
    assert (provenance.commit.__wrapped__(), provenance.dirty.__wrapped__()) == ("unknown", False)
    monkeypatch.setenv("GAITLAB_COMMIT", "abc")
    assert provenance.commit.__wrapped__() == "abc"
    assert os.cpu_count() is None or int(provenance.hardware()["cores"]) <= (os.cpu_count() or 1)


def test_a_new_run_has_a_folder_at_once_and_the_stores_id_as_soon_as_it_answers(store: str) -> None:
    told: list[tuple[str, str, str]] = []

    def tell(what: str, run: str) -> None:
        told.append((what, run, (run_folder(run) / "kept").read_text() if what != "begins" else ""))

    def begins(run: str) -> None:
        (run_folder(run) / "kept").write_text("it")
        tell("begins", run)

    with FileLock(f"{mlflow_store.database_file(store)}.lock"):
        tracker = MlflowTracker.start(
            EXPERIMENT, data_hash="d4ta", token="t0ken", system_metrics=False,
            begins=begins, renamed=lambda run: tell("renamed", run), known=lambda run: tell("known", run),
        )  # fmt: skip
        assert told == [("begins", "offline-t0ken", "")]
        assert not claim.dead(run_folder("offline-t0ken"))
    with tracker:
        run = tracker.run_id
        assert not claim.dead(run_folder(run))
    assert told[1:] == [("renamed", run, "it"), ("known", run, "it")]
    assert mlflow_store.open_store(store).get_run(run).info.status == "FINISHED"
    assert not run_folder("offline-t0ken").exists()


def test_one_that_is_killed_before_the_store_answers_is_the_same_run_again(store: str) -> None:
    first = MlflowTracker.start(EXPERIMENT, data_hash="d4ta", token="kill3d", uri="", system_metrics=False, begins=lambda run: None)
    (run_folder(first.run_id) / "record.json").unlink()  # so far it had not come
    first._delivery.spool.clear_points()
    shutil.rmtree(first._delivery.spool.folder)
    client = mlflow_store.open_store(store)
    with start(run_id="offline-kill3d") as tracker:
        tracker.log(1, {"loss": 1.0})
        assert tracker.run_id == "offline-kill3d"
    found = mlflow_store.find_run(client, "offline-kill3d")
    assert found is not None
    assert (found.info.status, found.data.metrics["loss"]) == ("FINISHED", 1.0)
    assert (run_folder("offline-kill3d") / "record.json").exists()


def test_running_runs_of_dead_processes_are_closed_by_the_next_start(store: str) -> None:
    client = mlflow_store.open_store(store)
    with start() as other:  # there is an experiment
        pass
    family = client.get_run(other.run_id).info.experiment_id
    lost, abroad, alive = (client.create_run(family).info.run_id for _ in range(3))
    for run in (lost, alive):
        run_folder(run).mkdir(parents=True)
        (run_folder(run) / claim.LOCK).touch()
    (run_folder(lost) / "step").touch()
    os.utime(run_folder(lost) / "step", (2e9, 2e9))
    held = claim.join(run_folder(alive), "")
    assert held is not None
    with start() as tracker:
        tracker.flush()
        assert client.get_run(tracker.run_id).info.status == "RUNNING"
    states = {run: client.get_run(run).info for run in (lost, abroad, alive)}
    assert [info.status for info in states.values()] == ["KILLED", "RUNNING", "RUNNING"]
    assert states[lost].end_time == 2_000_000_000_000, "the last trace in its folder"
    held.close()


def test_any_name_of_a_home_is_a_path_and_lines_are_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`?` begins no options, `%20` is no space, and the line that opens the store is copied as it is."""
    home = tmp_path / "it's %20 a?b#ü"
    home.mkdir()
    monkeypatch.setenv("GAITLAB_HOME", str(home))
    uri = mlflow_store.default_uri()
    assert mlflow_store.database_file(uri) == home / "mlflow.db"
    assert mlflow_store.absolute(uri) == uri
    assert mlflow_store.absolute("sqlite:///~/x.db?timeout=9") == f"sqlite:///{Path.home() / 'x.db'}?timeout=9"
    migrated(home / "mlflow.db")
    with MlflowTracker.start(EXPERIMENT, data_hash="d4ta", system_metrics=False) as tracker:
        tracker.text("it.txt", "it")
        tracker.log(1, {"loss": 1.0})
    assert (home / "mlartifacts" / tracker.run_id / "artifacts" / "it.txt").read_text() == "it"
    assert shlex.split(tracker.how_to_open().splitlines()[0])[1:4] == ["server", "--backend-store-uri", uri]
    assert optuna.create_study(study_name="s", storage=default_storage()).trials == []
    assert {"mlflow.db", "sweeps.db"} <= {path.name for path in home.iterdir()}
    assert not [path for path in tmp_path.iterdir() if path != home and any(path.iterdir())], "MLflow makes an empty folder there"
