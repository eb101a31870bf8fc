"""Sweeps on a real Ray Tune: killed, stopped, nested, begun without it. What a sweep does with its trials: tests/sweeps/test_here.py."""

import re
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from gaitlab.data.store import Store
from gaitlab.runs.folder import read_outcome, run_folder
from gaitlab.sweeps.study import Study
from gaitlab.tracking.mlflow_store import default_uri, open_store
from tests.cluster.cluster import Cluster
from tests.processes import Started
from tests.sweeps.tiny_sweeps import PLANS, SWEEPS, at, children, drive, figures, figures_at, here, trials, whole_in

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


def finish(cluster: Cluster, *names: str) -> str:
    driver = Started(drive, *names, env=cluster.env)
    said = driver.communicate(800)
    assert driver.returncode == 0, said
    return said


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


def process_of_a_trial(cluster: Cluster, driver: Started, name: str) -> psutil.Process:
    """In the middle of its work: a running trial has a checkpoint that is newer than the process."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        assert driver.poll() is None, driver.communicate(60)
        saved = [file.stat().st_mtime for t in trials(name) if t.state == "RUNNING" for file in run_folder(t.run).glob("step-*.pt")]
        for process in cluster.processes("ray::Impl"):
            if max(saved, default=0) > process.create_time():
                return process
        time.sleep(0.1)
    raise AssertionError("no trial's process was found")


@pytest.mark.parametrize("name", ["killed", pytest.param("killed-long", marks=pytest.mark.slow)])
def test_a_search_that_is_killed_ends_with_its_trials_and_no_other(tiny_store: Store, cluster: Cluster, name: str) -> None:
    """The first driver's own cluster dies with it; the second loses a trial's process (and, of many trials, is killed itself)."""
    driver = Started(drive, name)
    wait_for(driver, name, complete=1, running=1)
    driver.kill()
    before = {t.number: (t.run, t.point) for t in trials(name) if t.run}
    done = {t.number for t in trials(name) if t.state == "COMPLETE"}
    written = {n: (run_folder(before[n][0]) / "outcome.json").stat().st_mtime_ns for n in done}

    driver = Started(drive, name, env=cluster.env)
    process_of_a_trial(cluster, driver, name).kill()
    if name == "killed-long":
        wait_for(driver, name, complete=len(done) + 1, running=1)
        driver.kill()
        said = finish(cluster, name)
    else:
        said = driver.communicate(800)
        assert driver.returncode == 0, said
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


@pytest.mark.slow
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


def test_a_trial_of_two_workers_trains_by_ray_train(tiny_store: Store, cluster: Cluster) -> None:
    finish(cluster, "wide")
    (trial,) = trials("wide")
    assert trial.state == "COMPLETE", trial.cause
    outcome = read_outcome(run_folder(trial.run))
    assert outcome is not None
    assert 0 < outcome.metrics["walkers/rank1"] <= 100
    scores = Study.read(SWEEPS["wide"]).optuna.trials[0].intermediate_values
    assert scores.keys() == {3}, "Tune hears of every evaluation but the last, checkpoint or not"


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_begun_here_stopped_on_tune_and_ended_there_comes_to_the_same(
    plan: str, tiny_store: Store, cluster: Cluster, tmp_path: Path
) -> None:
    rows = 3 * len(SWEEPS[plan].seeds)
    home = tmp_path / "both"
    sweep = Started(here, plan, 1, None, True, env=at(home))
    for line in sweep.stdout:
        if f"{plan}: {rows // 3} of {rows} done" in line:
            sweep.send_signal(signal.SIGINT)
            break
    said = sweep.communicate(120)
    assert sweep.returncode == 130, said

    stopped = Started(drive, plan, env={**cluster.env, **at(home)})
    for line in stopped.stdout:
        if re.search(rf"{plan}: .* [1-9] running", line):
            stopped.send_signal(signal.SIGINT)
            break
    said = stopped.communicate(120)
    assert stopped.returncode == 130, said
    assert f"{plan}: stopped; to go on: python pipelines/sweep.py {plan}" in said
    assert "registered" not in said
    client = open_store(f"sqlite:///{home}/mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(home))
        parent = Study.read(SWEEPS[plan]).parent
        assert client.get_run(parent).info.status == "KILLED"
        assert {r.info.status for r in children(client, plan)} <= {"KILLED", "FINISHED"}

    driver = Started(drive, plan, env={**cluster.env, **at(home)})
    said = driver.communicate(600)
    assert driver.returncode == 0, said
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(home))
        assert {r.info.status for r in children(client, plan)} == {"FINISHED"}
    assert client.get_run(parent).data.tags["ray_job"]
    assert figures_at(home, plan) == whole_in(tmp_path / "here", plan, here, 2, None, False)
    assert len(list(home.glob("runs/*/outcome.json"))) == rows + 1, "something was trained twice"


@pytest.mark.slow
def test_a_plan_by_tune_alone_comes_to_the_same(tiny_store: Store, cluster: Cluster, tmp_path: Path) -> None:
    finish(cluster, "six")
    assert figures("six") == whole_in(tmp_path / "here", "six", here, 2, None, False)
