"""A package beside gaitlab (docs/own): trained, resumed, tested, swept, registered and loaded without a line of gaitlab changed."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.conftest import ROOT
from tests.processes import finished, pipeline

pytestmark = pytest.mark.cluster


def said(folder: Path, name: str, *words: str, status: int = 0, **environment: str) -> str:
    """What a pipeline prints that is started in `folder`."""
    done = pipeline(f"{name}.py", *words, folder=folder, **environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def execute(code: str) -> None:
    exec(code, {})


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside") / "own"
    shutil.copytree(ROOT / "docs" / "own", folder)
    return folder


def test_the_life_of_a_package_outside(outside: Path, tmp_path: Path) -> None:
    trained = said(outside, "local", "--module", "strips", "strips", "--train.steps", "20")
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
    again = said(outside, "local", "--resume", run.name)
    assert f"rank-1 {table[1]}" in again
    tested = said(outside, "evaluate", run.name, "--module", "strips", "--protocols", "side-to-front", "walkers")
    assert f"rank-1 {table[1]}" in tested
    assert "walkers" in tested

    # Registered, it is loaded by whoever has the package.
    registered = said(outside, "register", run.name, "--name", "strips")
    loads = next(line for line in registered.splitlines() if line.startswith("import mlflow"))
    code = f"import sys; sys.path.append('.'); import numpy as np; {loads}; print(model.predict(np.zeros((1, 8, 64, 44), np.uint8)).shape)"
    loaded = finished(execute, code, folder=outside)
    assert "(1, 8, 16)" in loaded.stdout, loaded.stdout + loaded.stderr

    # A copy of the run elsewhere may be a stranger's: nothing is imported unless the command line names it.
    shutil.copytree(run, tmp_path / "strange")
    refused = said(outside, "evaluate", str(tmp_path / "strange"), status=2)
    assert "CentresConfig" in refused
    assert "--module" in refused
    assert "Traceback" not in refused


def test_a_sweep_of_a_package_outside(outside: Path, cluster: Cluster) -> None:
    small = ("--base.train.steps", "4", "--concurrency", "2")
    text = said(outside, "sweep", "--module", "strips", "strips-rows", *small, **cluster.env)
    for row in ("8 strips", "4 strips", "no noise"):
        assert re.search(rf"^\| {row} ", text, re.M), text
    report = said(outside, "report", "--module", "strips", "strips-rows", "--out", str(outside / "results"))
    assert "strips-rows.md" in report


def test_what_is_not_there_is_one_line(outside: Path) -> None:
    missing = said(outside, "local", "--module", "stripes", "strips", status=2)
    assert missing == "error: no module 'stripes'; install it, or start where it lies, or put its folder into PYTHONPATH\n"
