"""One tracker on real stores: SQLite under sixteen writers, MLflow's server that is killed or slow, PostgreSQL."""

import json
import multiprocessing
import signal
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest

from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Experiment
from gaitlab.tracking import delivery, mlflow_store, runs
from gaitlab.tracking.runs import MlflowTracker
from tests.processes import SERVER, Started
from tests.tracking.proxy import Proxy
from tests.tracking.servers import MlflowServer, migrated, postgres, postgres_programs
from tests.tracking.test_runs import Plain

pytestmark = pytest.mark.cluster

WRITERS, POINTS = 16, 200
EXPERIMENT = Experiment(name="tiny", method=Plain(), data=DataConfig(root="walks"))
FRAME = pd.DataFrame({"probe": ["NM", "CL"], "rank-1": [97.25, 61.5]})


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("server")
    migrated(folder / "server.db")
    server = MlflowServer(folder)
    server.start()
    yield server
    server.stop()


def start(uri: str, run_id: str | None = None, parent: str | None = None) -> MlflowTracker:
    return MlflowTracker.start(EXPERIMENT, data_hash="d4ta", uri=uri, run_id=run_id, parent=parent, system_metrics=False)


def curve(uri: str, run_id: str, key: str) -> list[tuple[int, float]]:
    """In the store's order, which is that of time."""
    return [(m.step, m.value) for m in mlflow_store.open_store(uri).get_metric_history(run_id, key)]


def table(uri: str, run_id: str) -> pd.DataFrame:
    """The table "casia-b" as MLflow's own reader finds it."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("gaitlab")
    try:
        return mlflow.load_table("tables/casia-b.json", run_ids=[run_id])
    finally:
        mlflow.set_tracking_uri(None)  # which also sets a variable of the environment


# -- SQLite ------------------------------------------------------------------------------------------------------------


def write(uri: str, number: int, all_there: Barrier, parent: "multiprocessing.Queue[str]", told: "multiprocessing.Queue[str]") -> None:
    all_there.wait()
    mlflow_store.open_store(uri)  # all at once, and there is no database
    with start(uri, parent=parent.get()) as tracker:
        for step in range(POINTS):
            tracker.log(step, {"loss": number + step / 7, "accuracy": float(step), "lr": 0.1})
            if step % 50 == 0:
                tracker.flush()
        tracker.table("casia-b", FRAME.assign(writer=number))
    told.put(f"{number} {tracker.run_id}")


def test_sixteen_first_writers(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    all_there, parents, told = SERVER.Barrier(WRITERS + 1), SERVER.Queue(), SERVER.Queue()
    writers = [Started(write, uri, number, all_there, parents, told) for number in range(WRITERS)]
    all_there.wait()
    begun = time.monotonic()
    with start(uri) as parent:
        for _ in writers:
            parents.put(parent.run_id)
        children = dict(told.get(timeout=400).split() for _ in writers)
    for writer in writers:
        said = writer.communicate(60)
        assert writer.returncode == 0, said
    print(f"{WRITERS} writers: {time.monotonic() - begun:.1f} s, {WRITERS * POINTS * 3 / (time.monotonic() - begun):.0f} points/s")

    client = mlflow_store.open_store(uri)
    family = client.get_run(parent.run_id).info.experiment_id
    found = client.search_runs([family], f"tags.`mlflow.parentRunId` = '{parent.run_id}'")
    assert {run.info.run_id for run in found} == set(children.values())
    assert len(client.search_runs([family])) == WRITERS + 1
    assert {run.info.status for run in found} == {"FINISHED"}
    for number, run_id in children.items():
        assert curve(uri, run_id, "loss") == [(step, int(number) + step / 7) for step in range(POINTS)]
        assert curve(uri, run_id, "accuracy") == [(step, float(step)) for step in range(POINTS)]
        assert curve(uri, run_id, "lr") == [(step, 0.1) for step in range(POINTS)]
        stored = tmp_path / "mlartifacts" / run_id / "artifacts" / "tables" / "casia-b.json"
        assert {row[-1] for row in json.loads(stored.read_text())["data"]} == {int(number)}
        assert not (runs.run_folder(run_id) / "spool").exists()


# -- MLflow's server ---------------------------------------------------------------------------------------------------


def longest_log(tracker: MlflowTracker, steps: range, pause: float = 0.0) -> float:
    """Log the curve `loss` at `steps`, with a checkpoint's `flush` at every tenth; the longest that a call took, in seconds."""
    longest = 0.0
    for step in steps:
        begun = time.monotonic()
        tracker.log(step, {"loss": step / 7})
        if step % 10 == 0:
            tracker.flush()
        longest = max(longest, time.monotonic() - begun)
        time.sleep(pause)
    return longest


def arrived(uri: str, run_id: str, steps: int) -> bool:
    """Whether the whole curve is there within 20 s."""
    for _ in range(200):
        if len(curve(uri, run_id, "loss")) >= steps:
            return True
        time.sleep(0.1)
    return False


def test_server_that_is_killed_and_started_again(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 1.0)
    monkeypatch.setattr(runs, "FLUSH_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://127.0.0.1:{server.port}"
    first = start(uri)
    longest_log(first, range(100))
    assert arrived(uri, first.run_id, 91)
    server.signal(signal.SIGKILL)
    assert longest_log(first, range(100, 200), 0.02) < 1.0
    first.table("casia-b", FRAME)
    first.finish("KILLED")  # the process ends while the server is away
    assert (first.folder / "spool" / "metrics.jsonl").exists()

    with start(uri, first.run_id) as second:  # resumed at 150, the server still away
        assert longest_log(second, range(150, 250), 0.02) < 1.0
        server.start()
        longest_log(second, range(250, 300), 0.05)
        second.final({"casia-b/rank1": 79.0})
    assert curve(uri, first.run_id, "loss") == [(step, step / 7) for step in range(300)]
    assert curve(uri, first.run_id, "casia-b/rank1") == [(0, 79.0)]
    assert mlflow_store.open_store(uri).get_run(first.run_id).info.status == "FINISHED"
    pd.testing.assert_frame_equal(table(uri, first.run_id), FRAME, check_dtype=False)
    assert not (first.folder / "spool").exists()


def test_slow_server(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes stand still: connections are accepted, nothing is answered."""
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(runs, "FLUSH_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    uri = f"http://127.0.0.1:{server.port}"
    with start(uri) as tracker:
        assert tracker.run_id
        server.signal(signal.SIGSTOP)
        assert longest_log(tracker, range(200), 0.03) < 1.0  # flush included
        tracker.table("casia-b", FRAME.assign(probe="old"))
        time.sleep(0.3)
        tracker.table("casia-b", FRAME)
        server.signal(signal.SIGCONT)
    assert curve(uri, tracker.run_id, "loss") == [(step, step / 7) for step in range(200)]
    pd.testing.assert_frame_equal(table(uri, tracker.run_id), FRAME, check_dtype=False)


def test_requests_that_are_carried_out_but_not_answered(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made again, and leave neither a second run nor a second point."""
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(runs, "FLUSH_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    direct = f"http://127.0.0.1:{server.port}"
    client = mlflow_store.open_store(direct)
    family = client.get_experiment_by_name("gaitlab").experiment_id
    before = len(client.search_runs([family]))
    proxy = Proxy(server.port)
    uri = f"http://127.0.0.1:{proxy.port}"
    create = type(client).create_run

    def unanswered(self: object, *arguments: object, **named: object) -> object:
        proxy.mode = "silent"
        return create(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(client), "create_run", unanswered)
        tracker = start(uri)
        assert tracker.run_id.startswith("offline-")
    longest_log(tracker, range(20), 0.1)
    proxy.mode = "through"
    longest_log(tracker, range(20, 40), 0.1)
    proxy.mode = "silent"
    longest_log(tracker, range(40, 60), 0.1)
    proxy.mode = "through"
    tracker.finish()
    found = client.search_runs([family], order_by=["attributes.start_time DESC"])
    assert len(found) == before + 1
    run = found[0]
    assert run.data.tags[mlflow_store.START] == tracker.run_id.removeprefix("offline-")
    assert (run.info.status, run.data.params["method.margin"]) == ("FINISHED", "0.2")
    assert curve(direct, run.info.run_id, "loss") == [(step, step / 7) for step in range(60)]
    proxy.close()


def test_run_that_began_while_the_server_was_away_arrives_when_it_is_reopened(
    server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("GAITLAB_COMMIT", "abc")
    uri = f"http://127.0.0.1:{server.port}"
    with start("http://127.0.0.1:9", parent="0123") as offline:
        longest_log(offline, range(10))
        offline.table("casia-b", FRAME)
    for steps in (range(5, 20), range(15, 25)):
        with start(uri, offline.run_id) as again:
            longest_log(again, steps)
        assert again.folder == offline.folder
    client = mlflow_store.open_store(uri)
    family = client.get_experiment_by_name("gaitlab").experiment_id
    (run,) = client.search_runs([family], f"tags.`{mlflow_store.START}` = '{offline.run_id.removeprefix('offline-')}'")
    assert run.data.tags["mlflow.parentRunId"] == "0123"
    assert run.info.run_id in again.how_to_open()
    assert curve(uri, run.info.run_id, "loss") == [(step, step / 7) for step in range(25)]
    pd.testing.assert_frame_equal(table(uri, run.info.run_id), FRAME, check_dtype=False)
    assert not (offline.folder / "spool").exists()


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_postgres(home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'gaitlab[postgres]'")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here: neither initdb in PATH nor /usr/lib/postgresql/*/bin")
    with postgres(programs, tmp_path_factory.mktemp("postgres")) as uri:
        with start(uri) as first:
            longest_log(first, range(100))
            first.log(0, {"not/a-number": float("nan"), "endless": float("inf")})
            first.table("casia-b", FRAME)
        with start(uri, first.run_id) as second:
            longest_log(second, range(50, 150))
        assert curve(uri, first.run_id, "loss") == [(step, step / 7) for step in range(150)]
        assert mlflow_store.open_store(uri).get_run(first.run_id).info.status == "FINISHED"
        pd.testing.assert_frame_equal(table(uri, first.run_id), FRAME, check_dtype=False)
        assert (home / "mlartifacts" / first.run_id / "artifacts" / "tables" / "casia-b.json").exists()
        assert "s3cret" not in second.how_to_open()


def test_postgres_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_store, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"postgresql://gait:\*\*\*@db/gait needs a driver: pip install 'gaitlab\[postgres\]'"):
        start("postgresql://gait:s3cret@db/gait")
