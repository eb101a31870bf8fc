"""A package beside gaitlab (docs/own): trained, resumed, tested, swept, registered and loaded without a line of gaitlab changed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def said(folder: Path, *words: str, status: int = 0, **environment: str) -> str:
    """What a command prints that is started in `folder`."""
    home = os.environ["GAITLAB_HOME"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GAITLAB_HOME": home, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def pipeline(name: str) -> str:
    return str(ROOT / "pipelines" / f"{name}.py")


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside") / "own"
    shutil.copytree(ROOT / "docs" / "own", folder)
    return folder


@pytest.mark.cluster
def test_the_life_of_a_package_outside(outside: Path, tmp_path: Path) -> None:
    trained = said(outside, pipeline("local"), "--module", "strips", "strips", "--train.steps", "20")
    found = re.search(r"run (\w+); if it is cut short", trained)
    assert found
    run = Path(os.environ["GAITLAB_HOME"]) / "runs" / found[1]
    table = re.search(r"rank-1 ([\d.]+)$", trained, re.M)
    assert table
    kept = json.loads((run / "experiment.json").read_text())
    assert kept["modules"] == ["strips", "strips.backbone", "strips.method"]
    assert kept["method"]["kind"] == "CentresConfig"

    # Its backbone moves to another file of the package; the runs of before are resumed and tested.
    (outside / "strips" / "nets").mkdir()
    (outside / "strips" / "nets" / "__init__.py").touch()
    (outside / "strips" / "backbone.py").rename(outside / "strips" / "nets" / "stripes.py")
    for file in ("method.py", "experiments.py"):
        path = outside / "strips" / file
        path.write_text(path.read_text().replace("strips.backbone", "strips.nets.stripes"))
    again = said(outside, pipeline("local"), "--resume", run.name)
    assert f"rank-1 {table[1]}" in again
    tested = said(outside, pipeline("evaluate"), run.name, "--module", "strips", "--protocols", "side-to-front", "walkers")
    assert f"rank-1 {table[1]}" in tested
    assert "walkers" in tested

    # Registered, it is loaded by whoever has the package.
    loads = said(outside, pipeline("register"), run.name, "--name", "strips").splitlines()[-1]
    code = f"import numpy as np; {loads}; print(model.predict(np.zeros((1, 8, 64, 44), np.uint8)).shape)"
    assert "(1, 8, 16)" in said(outside, "-c", code, PYTHONPATH=f"{ROOT}{os.pathsep}{outside}")

    # A copy of the run elsewhere may be a stranger's: nothing is imported unless the command line names it.
    shutil.copytree(run, tmp_path / "strange")
    refused = said(outside, pipeline("evaluate"), str(tmp_path / "strange"), status=2)
    assert "CentresConfig" in refused
    assert "--module" in refused
    assert "Traceback" not in refused


@pytest.mark.cluster
def test_a_sweep_of_a_package_outside(outside: Path) -> None:
    text = said(outside, pipeline("sweep"), "--module", "strips", "strips-rows", "--base.train.steps", "4", "--concurrency", "2")
    for row in ("8 strips", "4 strips", "no noise"):
        assert re.search(rf"^\| {row} ", text, re.M), text
    report = said(outside, pipeline("report"), "--module", "strips", "strips-rows", "--out", str(outside / "results"))
    assert "strips-rows.md" in report


def test_what_is_not_there_is_one_line(outside: Path) -> None:
    missing = said(outside, pipeline("local"), "--module", "stripes", "strips", status=2)
    assert missing == "error: no module 'stripes'; install it, or start where it lies, or put its folder into PYTHONPATH\n"
