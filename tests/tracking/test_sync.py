"""Runs that were trained without a store come into one: everything once, however often it is tried and wherever it is cut short."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.figure
import pandas as pd
import pytest
from PIL import Image

from gaitlab.config import fingerprint
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Experiment
from gaitlab.home import home
from gaitlab.runs.folder import keep_config, run_folder
from gaitlab.tracking import backlog, mlflow_store, provenance
from gaitlab.tracking.origins import Origin, origins
from gaitlab.tracking.runs import MlflowTracker
from gaitlab.tracking.sync import sync, waiting
from tests.processes import Started, pipeline
from tests.tracking.servers import migrated
from tests.tracking.test_runs import Plain

EXPERIMENT = Experiment(name="tiny", method=Plain(), data=DataConfig(root="walks"), seed=3)
FRAME = pd.DataFrame({"probe": ["NM", "CL"], "rank-1": [97.25, 61.5]})
STEPS = 200


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of an empty store in an empty home."""
    monkeypatch.setenv("GAITLAB_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    migrated(tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def start(name: str = "tiny", run_id: str | None = None, parent: str | None = None, uri: str | None = "") -> MlflowTracker:
    experiment = replace(EXPERIMENT, name=name)
    return MlflowTracker.start(experiment, data_hash="d4ta", run_id=run_id, parent=parent, uri=uri, system_metrics=False)


def log(tracker: MlflowTracker, steps: range) -> None:
    for step in steps:
        tracker.log(step, {"loss": step / 7, "lr": 0.1})


def offline(number: int, parent: str | None = None) -> str:
    """A run with curves, results, a table, a picture and a text; every third one is killed by Ctrl-C."""
    figure = matplotlib.figure.Figure((1, 1))
    figure.subplots().plot([1, number])
    tracker = start(f"run{number}", parent=parent)
    log(tracker, range(STEPS))
    tracker.final({"casia-b/rank1": 70.0 + number})
    tracker.table("casia-b", FRAME.assign(run=number))
    tracker.figure("cmc", lambda: figure)
    tracker.text("casia-b.md", f"| {number} |")
    tracker.finish("KILLED" if number % 3 == 0 else "FINISHED")
    return tracker.run_id


def stored(uri: str, run: str) -> str:
    """The store's id."""
    found = mlflow_store.find_run(mlflow_store.open_store(uri), run)
    assert found is not None
    return str(found.info.run_id)


def curve(uri: str, run: str, key: str) -> list[tuple[int, float]]:
    return points(uri, stored(uri, run), key)


def points(uri: str, stored: str, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in mlflow_store.open_store(uri).get_metric_history(stored, key)]


def sync_killed_behind(verb: str, count: int) -> None:
    """Killed when the store has done what it was asked, and nobody has heard of it."""
    from mlflow import MlflowClient

    of = MlflowClient if hasattr(MlflowClient, verb) else mlflow_store
    do, calls = getattr(of, verb), []

    def kill(*arguments: object, **named: object) -> object:
        calls.append(do(*arguments, **named))
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return calls[-1]

    setattr(of, verb, kill)
    backlog.TOGETHER = 100
    sync()


def test_twelve_runs_synced_twice_and_killed_in_the_middle(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    import mlflow

    before = int(time.time() * 1000)
    above = [offline(number) for number in range(8)]
    children = {offline(number, parent=above[-1]): number for number in range(8, 12)}
    runs = {run: number for number, run in enumerate(above)} | children
    after = int(time.time() * 1000)
    assert "mlflow" not in {path.name for path in home().iterdir()}
    assert all(run.startswith("offline-") for run in runs)
    assert set(waiting()) == set(runs)

    ends = [("create_run", 2), ("send_points", 9), ("send_points", 3), ("send_artifact", 7), ("set_terminated", 2), ("log_batch", 4)]
    for verb, count in ends:
        process = Started(sync_killed_behind, verb, count)
        said = process.communicate(120)
        assert process.returncode == -signal.SIGKILL, said
    assert waiting()
    sync()
    said = capsys.readouterr().out
    assert said.count("\n") == int(said.split(" of ")[1].split(":")[0])
    assert not waiting()
    sync()
    sync(list(children))
    assert capsys.readouterr().out.count("nothing to deliver") == len(children)

    client = mlflow_store.open_store(store)
    family = client.get_experiment_by_name("gaitlab").experiment_id
    assert len(client.search_runs([family])) == len(runs)
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("gaitlab")
    parent = stored(store, above[-1])
    for run, number in runs.items():
        id_ = stored(store, run)
        there = client.get_run(id_)
        assert (there.info.run_name, there.info.status) == (f"run{number}", "KILLED" if number % 3 == 0 else "FINISHED")
        assert before <= there.info.start_time <= there.info.end_time <= after
        assert points(store, id_, "loss") == [(step, step / 7) for step in range(STEPS)]
        assert points(store, id_, "lr") == [(step, 0.1) for step in range(STEPS)]
        assert points(store, id_, "casia-b/rank1") == [(0, 70.0 + number)]
        assert there.data.tags.get("mlflow.parentRunId") == (parent if run in children else None)
        assert there.data.params["method.margin"] == "0.2"
        expected = {"commit": provenance.commit(), "data_hash": "d4ta", "seed": "3"}
        assert expected.items() <= there.data.tags.items()
        assert "commit_resumed" not in there.data.tags
        table = mlflow.load_table("tables/casia-b.json", run_ids=[id_])
        pd.testing.assert_frame_equal(table, FRAME.assign(run=number), check_dtype=False)
        artifacts = home() / "mlartifacts" / id_ / "artifacts"
        with Image.open(artifacts / "figures" / "cmc.png") as picture:
            picture.load()
        assert (artifacts / "casia-b.md").read_text() == f"| {number} |"
        assert (artifacts / "config.json").exists()
        assert not (run_folder(run) / "spool").exists()
    mlflow.set_tracking_uri(None)  # which also sets a variable of the environment


def test_a_child_brings_its_parent_and_an_adopted_one_finds_it(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    parent = offline(1)
    child, other = offline(2, parent=parent), offline(4)
    with start("online", parent=parent, uri=None) as online:  # the store came back while the parent had an id of our own
        pass
    sync([child])
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()] == ["run1", "run2"]
    assert waiting() == [other]
    client = mlflow_store.open_store(store)
    for run in (stored(store, child), online.run_id):
        assert client.get_run(run).data.tags["mlflow.parentRunId"] == stored(store, parent)


def test_while_it_trains_and_when_it_has_ended(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = start()
    log(tracker, range(50))
    tracker.table("casia-b", FRAME)
    tracker.flush()
    for _ in range(2):
        sync()
        assert "it trains on" in capsys.readouterr().out
    client = mlflow_store.open_store(store)
    assert client.get_run(stored(store, tracker.run_id)).info.status == "RUNNING"
    assert curve(store, tracker.run_id, "loss") == [(step, step / 7) for step in range(50)]
    log(tracker, range(50, 80))
    tracker.finish("FAILED")
    sync([tracker.run_id])
    with start(run_id=tracker.run_id) as again:  # resumed behind the store's last step, without it
        log(again, range(60, 90))
    assert again.run_id == tracker.run_id
    sync()
    assert curve(store, tracker.run_id, "loss") == [(step, step / 7) for step in range(90)]
    assert client.get_run(stored(store, tracker.run_id)).info.status == "FINISHED"
    with start(run_id=tracker.run_id, uri=None) as with_store:
        log(with_store, range(80, 100))
    assert curve(store, tracker.run_id, "loss") == [(step, step / 7) for step in range(100)]


def test_a_driver_and_its_worker_keep_one_run(store: str) -> None:
    """As on Ray: the driver opens the run, waits for the worker that trains, and closes it."""
    with start() as driver:
        with start(run_id=driver.run_id) as worker:
            log(worker, range(20))
        again = start(run_id=driver.run_id)  # it was killed, and replaced
        log(again, range(10, 30))
        again.finish()
    sync()
    assert curve(store, driver.run_id, "loss") == [(step, step / 7) for step in range(30)]


def test_a_run_that_delivers_itself_is_left_to_it(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    with start(uri="http://127.0.0.1:9") as away:
        away.flush()
        sync([away.run_id])
        assert "delivers to http://127.0.0.1:9 itself" in capsys.readouterr().out
    sync()
    assert mlflow_store.open_store(store).get_run(stored(store, away.run_id)).info.status == "FINISHED"


def begin_and_die() -> None:
    tracker = start(run_id=os.environ.get("RUN"))
    log(tracker, range(int(os.environ.get("STEPS", 20))))
    tracker.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def test_kill_9_leaves_no_end_and_counts_as_killed(store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert Started(begin_and_die).wait(60) == -signal.SIGKILL
    (run,) = waiting()
    sync()
    assert "counts as killed" in capsys.readouterr().out
    client = mlflow_store.open_store(store)
    info = client.get_run(stored(store, run)).info
    assert (info.status, info.end_time) == ("KILLED", max(m.timestamp for m in client.get_metric_history(info.run_id, "loss")))
    monkeypatch.setenv("GAITLAB_COMMIT", "abc")
    assert Started(begin_and_die, env={"RUN": run, "STEPS": "30"}).wait(60) == -signal.SIGKILL
    sync()
    there = client.get_run(info.run_id)
    assert (there.info.status, there.data.tags.get("commit_resumed")) == ("KILLED", "abc")
    assert there.data.tags["commit"] != "abc"
    assert curve(store, run, "loss") == [(step, step / 7) for step in range(30)]


def test_a_run_of_another_name_or_store_is_made_under_it(store: str) -> None:
    """`opengait.py import --out mine`, and a run that was packed where another store is."""
    keep_config(EXPERIMENT, run_folder("mine"))
    for run in ("mine", "0" * 32):
        with start(run_id=run) as tracker:
            log(tracker, range(10))
        sync([run])
        with start(run_id=run) as tracker:
            log(tracker, range(5, 20))
        sync()
        with start(run_id=run, uri=None) as tracker:
            log(tracker, range(15, 25))
        assert curve(store, run, "loss") == [(step, step / 7) for step in range(25)]
    client = mlflow_store.open_store(store)
    assert len(client.search_runs([client.get_experiment_by_name("gaitlab").experiment_id])) == 2


def test_tables_know_where_offline_runs_come_from(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = offline(1)
    (home() / "mlflow.db").unlink()
    expected = Origin(
        commit=provenance.commit(),
        hardware=provenance.hardware_line(),
        config=fingerprint(replace(EXPERIMENT, name="run1")),
        dirty=provenance.dirty(),
    )
    assert origins([run]) == {run: expected}
    assert mlflow_store.tags_of(run)["commit"] == provenance.commit()
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert start(uri=None).uri == ""


def test_wrong_names_and_broken_stores_are_one_line(store: str, tmp_path: Path) -> None:
    run = offline(1)
    (tmp_path / "runs" / "empty").mkdir()
    before = sorted(path for path in home().rglob("*"))
    for name, expected in [("no-such", "no run 'no-such'"), ("empty", "no run 'empty'"), (str(tmp_path), "no run"), ("../x", "no run")]:
        done = pipeline("sync.py", run, name)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {expected}")
        assert done.stderr.count("\n") == 1
    assert sorted(path for path in home().rglob("*")) == before
    away = pipeline("sync.py", "--uri", "http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert (away.returncode, away.stderr.count("\n")) == (2, 1)
    assert "does not answer" in away.stderr
    damaged = offline(2)
    (run_folder(damaged) / "record.json").write_text("{")
    said = pipeline("sync.py")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "record.json is damaged" in said.stderr
    assert curve(store, run, "lr") == [(step, 0.1) for step in range(STEPS)]
    assert waiting() == [damaged]
