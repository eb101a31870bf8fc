"""Ray Train for real: two workers, a killed worker, a killed driver, a submitted job."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gaitlab.data.store import Store
from tests.cluster.cluster import Cluster
from tests.conftest import ROOT
from tests.processes import Started, pipeline, script
from tests.test_cod2_pipeline import HERE, NAME, results
from tests.test_cod2_pipeline import TINY as TINY_PAIR
from tests.test_command import TINY

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


def headline(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("rank-1 "))


def strip_worker_prefix(text: str) -> str:
    return re.sub(r"^\x1b\[\d+m\(.*?\)\x1b\[0m ?|^\(.*?pid=.*?\) ?", "", text, flags=re.M)


def test_two_ray_workers_by_rays_feed_train_what_one_process_trains(tiny_store: Store, cluster: Cluster) -> None:
    steps = ["--train.steps", "4", "--optim.lr", "0.0001", "--train.precision", "float32"]
    ray = pipeline("supervised.py", "demo", *TINY, *steps, "--scale.workers", "2", "--data.feed", "ray", **cluster.env)
    assert ray.returncode == 0, ray.stdout + ray.stderr
    run_id = re.search(r"run (\w+);", ray.stdout)
    assert run_id
    kept = Path(os.environ["GAITLAB_HOME"]) / "runs" / run_id[1]
    assert (kept / "step-00000004").exists(), "Ray Train's run is not named by the MLflow run id"
    local = pipeline("local.py", "demo", *TINY, *steps, "--fresh")
    assert local.returncode == 0, local.stderr
    assert headline(ray.stdout) == headline(local.stdout)


def test_a_run_that_loses_its_driver_and_then_its_worker_comes_to_the_same_numbers(tiny_store: Store, cluster: Cluster) -> None:
    """The first driver's cluster, which it has started itself, dies with it; the second one's worker is replaced."""
    whole = pipeline("local.py", "demo", *TINY, "--train.steps", "10", "--no-tracking")
    assert whole.returncode == 0, whole.stderr
    driver = Started(script, "supervised.py", "demo", *TINY, "--train.steps", "10", "--fresh", session=True)
    run_id, seen = "", []
    for line in driver.stdout:
        seen.append(line)
        if found := re.search(r"run (\w+); if it is cut short", line):
            run_id = found[1]
        if "demo 3/10" in line:
            servers = psutil.Process(driver.pid).children(recursive=True)
            driver.send_signal(signal.SIGKILL)
            break
    driver.wait(30)
    driver.stdout.close()
    assert run_id, "".join(seen)
    assert not psutil.wait_procs(servers, 180)[1], "Ray's processes do not notice that their driver is gone"

    again = Started(script, "supervised.py", "demo", *TINY, "--train.steps", "10", env=cluster.env)
    lines: list[str] = []
    killed = False
    for line in again.stdout:
        lines.append(line)
        if not killed and "demo 7/10" in line:
            workers = cluster.processes("RayTrainWorker")
            assert len(workers) == 1
            workers[0].kill()
            killed = True
    output = strip_worker_prefix("".join(lines))
    assert again.wait(60) == 0, output
    assert f"goes on with run {run_id}" in output
    assert "demo 1/10" not in output, "it started from the beginning"
    assert output.count("training subjects") == 2, "no second worker"
    assert output.count("demo 10/10") == 1
    assert headline(output) == headline(whole.stdout)


def submitted(head: str, *line: str) -> subprocess.CompletedProcess[str]:
    """`ray job submit -- python LINE` from somewhere else."""
    ray = Path(sys.executable).with_name("ray")
    env = {"env_vars": {k: os.environ[k] for k in ("GAITLAB_HOME", "RAY_AUTH_MODE")}}
    submit = [ray, "job", "submit", "--address", head, "--working-dir", str(ROOT), "--runtime-env-json", json.dumps(env), "--", "python"]
    for _ in range(30):
        done = subprocess.run([*submit, *line], cwd="/", text=True, capture_output=True, timeout=300, check=False)
        if "No available agent" not in done.stdout + done.stderr:  # the head answers some seconds before its agent does
            break
        time.sleep(1)
    return done


def test_ray_job_submit(tiny_store: Store, cluster: Cluster) -> None:
    """CoD2 and its baseline end with the table that they end with here, and a wrong experiment ends the job with an error."""
    pair = submitted(cluster.dashboard, "pipelines/cod2.py", NAME, *TINY_PAIR, "--train.steps", "2")
    assert pair.returncode == 0, pair.stdout + pair.stderr
    here = pipeline("cod2.py", NAME, *TINY_PAIR, "--train.steps", "2", "--no-tracking", "--fresh", **HERE)
    assert here.returncode == 0, here.stderr
    assert results(pair.stdout) == results(here.stdout)
    wrong = submitted(cluster.dashboard, "pipelines/supervised.py", "dmeo")
    assert wrong.returncode != 0
    assert "did you mean 'demo'" in wrong.stdout + wrong.stderr
