"""What a sweep costs beside its trials: seconds from handing a trial out to its first training step. Goal: 10 s.

Four trials of one tiny step on shards that are already there, two at a time.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna

from gaitlab.tracking.mlflow_store import open_store

ROOT = Path(__file__).parents[2]
TINY = [
    "--base.data.root", "tiny", "--base.data.make.train-subjects", "8", "--base.data.make.validation-subjects", "2",
    "--base.data.make.test-subjects", "2", "--base.train.steps", "1", "--base.train.log-every", "1", "--base.data.subjects-per-batch", "4",
    "--base.data.walks-per-subject", "2",
]  # fmt: skip


def sweep(repeats: int = 1) -> Iterator[dict[str, object]]:
    """Row sweep/trial_start: the mean of the trials (the first two start Ray's processes, too); all: each, in order."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"GAITLAB_HOME": home, "RAY_AUTH_MODE": "disabled"}
        command = [sys.executable, str(ROOT / "pipelines" / "sweep.py"), "cod2-levels", *TINY, "--seeds", "0"]
        said = subprocess.run(command, env=env, cwd=ROOT, check=True, text=True, capture_output=True).stdout
        assert re.search(r"4 of 4 done", said), said
        trials = optuna.load_study(study_name="cod2-levels", storage=f"sqlite:///{home}/sweeps.db").trials
        client = open_store(f"sqlite:///{home}/mlflow.db")
        waits = []
        for trial in trials:
            first = client.get_metric_history(trial.user_attrs["run"], "loss")[0].timestamp / 1000
            assert trial.datetime_start is not None
            waits.append(round(first - trial.datetime_start.timestamp(), 2))
    yield {"name": "sweep/trial_start", "value": round(sum(waits) / len(waits), 2), "unit": "s", "goal": 10, "all": waits}
