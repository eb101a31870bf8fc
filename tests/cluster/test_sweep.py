"""Sweeps on a real Ray Tune: killed, failing, stopped early, shared, nested."""

import re
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gaitlab.cluster.sweep import _Trials
from gaitlab.data.store import Store
from gaitlab.runs.folder import read_outcome, run_folder
from gaitlab.sweeps.progress import Progress
from gaitlab.sweeps.study import Study, Trial
from gaitlab.tracking.mlflow_store import default_uri, open_store
from gaitlab.tracking.runs import MlflowTracker
from tests.cluster.cluster import Cluster
from tests.cluster.tiny_sweeps import SWEEPS, drive
from tests.processes import Started

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


def finish(cluster: Cluster, *names: str) -> str:
    driver = Started(drive, *names, env=cluster.env)
    said = driver.communicate(800)
    assert driver.returncode == 0, said
    return said


def trials(name: str) -> list[Trial]:
    try:
        return Study.read(SWEEPS[name]).trials()
    except ValueError:
        return []


def wait_for(driver: Started, name: str, complete: int, running: int) -> None:
    """Until so many trials are complete, and so many running ones have a checkpoint."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        assert driver.poll() is None, driver.communicate(60)
        now = trials(name)
        begun = [t for t in now if t.state == "RUNNING" and t.run and list(run_folder(t.run).glob("step-*.pt"))]
        if sum(t.state == "COMPLETE" for t in now) >= complete and len(begun) >= running:
            return
        time.sleep(0.3)
    raise AssertionError(f"{now}")


def children(client: Any, name: str) -> list[Any]:
    parent = Study.read(SWEEPS[name]).parent
    family = client.get_run(parent).info.experiment_id
    return list(client.search_runs([family], f"tags.`mlflow.parentRunId` = '{parent}'"))


@pytest.mark.parametrize("name", ["killed", pytest.param("killed-long", marks=pytest.mark.slow)])
def test_a_search_that_is_killed_twice_ends_with_its_trials_and_no_other(tiny_store: Store, cluster: Cluster, name: str) -> None:
    """The first driver's own cluster dies with it, the second's stays."""
    driver = Started(drive, name)
    wait_for(driver, name, complete=1, running=1)
    driver.kill()
    before = {t.number: (t.run, t.point) for t in trials(name) if t.run}
    done = {t.number for t in trials(name) if t.state == "COMPLETE"}
    written = {n: (run_folder(before[n][0]) / "outcome.json").stat().st_mtime_ns for n in done}

    driver = Started(drive, name, env=cluster.env)
    wait_for(driver, name, complete=len(done) + 1, running=1)
    workers = cluster.processes("ray::Impl")
    assert workers, "no trial's process was found"
    workers[0].send_signal(signal.SIGKILL)  # a trial's process, in the middle
    wait_for(driver, name, complete=len(done) + 2, running=1)
    driver.kill()

    said = finish(cluster, name)
    ended = trials(name)
    assert [t.state for t in ended] == ["COMPLETE"] * SWEEPS[name].trials, (said, ended)
    assert all((t.run, t.point) == before[t.number] for t in ended if t.number in before), "a trial changed its run or its point"
    assert len({t.run for t in ended}) == SWEEPS[name].trials
    assert all((run_folder(ended[n].run) / "outcome.json").stat().st_mtime_ns == when for n, when in written.items()), "repeated"
    client = open_store(default_uri())
    runs = children(client, name)
    assert {r.info.run_id for r in runs} == {t.run for t in ended}
    assert {r.info.status for r in runs} == {"FINISHED"}
    for run in runs:
        steps = Counter(point.step for point in client.get_metric_history(run.info.run_id, "loss"))
        assert sorted(steps) == list(range(1, 41)), "a step is missing"
        assert set(steps.values()) == {1}, "a step is there twice"
    parent = client.get_run(Study.read(SWEEPS[name]).parent)
    assert parent.data.metrics["sweep/ended"] == SWEEPS[name].trials
    best = max(ended, key=lambda t: t.values[0])
    assert client.get_model_version(name, "1").run_id == best.run, "the winner's network is not in the registry"
    assert re.search(rf"load_model\('models:/{name}/1'\)", said)


def test_a_run_that_a_killed_driver_made_and_did_not_write_down_is_taken_up(tiny_store: Store, tmp_path: Path) -> None:
    """Killed between MLflow's answers and the study's notes of the sweep's run and of its first trial's."""
    sweep, storage = replace(SWEEPS["again"], name="between"), f"sqlite:///{tmp_path / 'studies.db'}"

    def first_run(study: Study) -> tuple[str, str]:
        """Run ids of the sweep and of the trial."""
        try:
            with MlflowTracker.start(sweep.base, data_hash="0", token=study.token, system_metrics=False) as parent:
                return parent.run_id, _Trials(study, parent, Progress(sweep, 1), fresh=True).suggest("0")["run"]
        finally:
            study.close()

    def dies(number: int, run: str) -> None:
        made.append(run)
        raise KeyboardInterrupt

    made: list[str] = []
    killed = Study.open(sweep, storage)
    killed.begun = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first_run(killed)
    parent, run = first_run(Study.open(sweep, storage))
    assert made == [run]
    client = open_store(default_uri())
    family = client.get_run(run).info.experiment_id
    of_sweep = client.search_runs([family], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert [r.info.run_id for r in of_sweep] == [run]


def test_a_sweep_that_is_stopped_says_so_and_goes_on(tiny_store: Store, cluster: Cluster) -> None:
    driver = Started(drive, "interrupted", env=cluster.env)
    wait_for(driver, "interrupted", complete=0, running=1)
    driver.send_signal(signal.SIGINT)
    said = driver.communicate(60)
    assert driver.returncode == 130, said
    assert "interrupted: stopped; to go on: python pipelines/sweep.py interrupted" in said
    assert "registered" not in said
    client = open_store(default_uri())
    assert client.get_run(Study.read(SWEEPS["interrupted"]).parent).info.status == "KILLED"
    assert {r.info.status for r in children(client, "interrupted")} == {"KILLED"}
    finish(cluster, "interrupted")
    assert {r.info.status for r in children(client, "interrupted")} == {"FINISHED"}
    assert client.get_run(Study.read(SWEEPS["interrupted"]).parent).data.tags["ray_job"]


def test_one_failing_trial_is_told_and_the_others_go_on_and_are_shared(tiny_store: Store, cluster: Cluster) -> None:
    said = finish(cluster, "failing", "again")
    states = {t.row: t for t in trials("failing")}
    assert {row: t.state for row, t in states.items()} == {"good": "COMPLETE", "nan": "FAIL", "other": "COMPLETE"}
    assert "FloatingPointError" in states["nan"].cause
    assert re.search(r"failing: trial \d failed: FloatingPointError", said)
    assert "2 of 3 done, 0 running, 1 failed" in said
    again = {t.row: t for t in trials("again")}
    assert again["the good one"].run == states["good"].run, "a run with the same config was repeated"
    assert again["another"].run not in {t.run for t in states.values()}
    assert re.search(rf"the good one, seed 0: run {states['good'].run} of commit \w+ has it", said)
    client = open_store(default_uri())
    (shared,) = (r for r in children(client, "again") if r.data.tags.get("shares"))
    assert shared.data.tags["shares"] == states["good"].run
    assert shared.data.metrics["walkers/rank1"] == states["good"].values[0]
    assert client.get_run(states["nan"].run).info.status == "FAILED"
    log = (run_folder(states["nan"].run) / "log.txt").read_text()
    assert "Traceback" in log


def test_the_worst_of_a_search_end_early_and_are_closed(tiny_store: Store, cluster: Cluster) -> None:
    finish(cluster, "stopped")
    ended = trials("stopped")
    assert Counter(t.state for t in ended).keys() == {"COMPLETE", "PRUNED"}
    client = open_store(default_uri())
    status = {r.info.run_id: r.info.status for r in children(client, "stopped")}
    assert {t.state: status[t.run] for t in ended} == {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    assert all(not list(run_folder(t.run).glob("step-00000024.pt")) for t in ended if t.state == "PRUNED")


def test_a_trial_of_two_workers_trains_by_ray_train(tiny_store: Store, cluster: Cluster) -> None:
    finish(cluster, "wide")
    (trial,) = trials("wide")
    assert trial.state == "COMPLETE", trial.cause
    outcome = read_outcome(run_folder(trial.run))
    assert outcome is not None
    assert 0 < outcome.metrics["walkers/rank1"] <= 100
    scores = Study.read(SWEEPS["wide"]).optuna.trials[0].intermediate_values
    assert scores.keys() == {3}, "Tune hears of every evaluation but the last, checkpoint or not"
