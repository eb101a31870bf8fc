"""Seconds from starting a process to its first training step: `pipelines/local.py`, and Ray with one worker.

Both train the smallest experiment there is, on shards that are already there; goals: 6 s and 30 s.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TINY = [
    "--method.backbone.channels", "4", "8", "8", "8", "--method.embedding", "8", "--train.steps", "1", "--train.log-every", "1",
    "--data.make.train-subjects", "8", "--data.make.validation-subjects", "0", "--data.make.test-subjects", "2",
]  # fmt: skip
GOALS = {"local": 6.0, "ray": 30.0}


def startup(repeats: int = 3) -> Iterator[dict[str, object]]:
    """Rows startup/local and startup/ray; the best of `repeats` starts, the first (which makes data and store) not counted."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"GAITLAB_HOME": home, "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "2"}
        for name, pipeline in (("local", "local.py"), ("ray", "supervised.py")):
            times = [first_step(pipeline, env) for _ in range(repeats + (name == "local"))][-repeats:]
            yield {"name": f"startup/{name}", "value": round(min(times), 2), "unit": "s", "goal": GOALS[name], "all": times}


def first_step(pipeline: str, env: dict[str, str]) -> float:
    """Seconds until the line of the first step is printed."""
    command = [sys.executable, "-u", str(ROOT / "pipelines" / pipeline), "demo", "--fresh", *_TINY]
    start = time.perf_counter()
    with subprocess.Popen(command, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        lines = []
        seen = None
        for line in process.stdout:
            lines.append(line)
            if seen is None and "demo 1/1" in line:
                seen = time.perf_counter() - start
        if seen is None:
            raise RuntimeError(f"{json.dumps(command)} took no step:\n{''.join(lines)}")
    return round(seen, 2)
