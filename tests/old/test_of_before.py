"""What gaitlab wrote in November 2026 (commit b54c0a5): runs, a study whose driver was killed, a registered model. They still open.

Configs named their classes by module and name then; most of these modules have moved. The networks are those of `tests.training.tiny`
and `tests.cluster.tiny_sweeps`, on the tests' people.
"""

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gaitlab.config import from_dict, to_dict
from gaitlab.data.store import Store
from gaitlab.experiment import Experiment
from gaitlab.home import home
from gaitlab.reports.ablation import ablation_result
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import newest_run, read_config, read_outcome, run_folder
from gaitlab.sweeps.study import Study, remembered
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.fit import retest
from gaitlab.training.network import Network
from gaitlab.training.run import LocalRun
from tests.training.tiny import fit

SUPERVISED, GAITSET, COD2 = "4df3e9903a7047c7b0998da213f890a2", "4d98654326c34a9bbd59418a31235b14", "926de2f72f6c47dd992a8fd0606d4e86"
BEGUN, ENDED = "23981acb5c00442a86be75a80bec4cba", "ce0bcb4d6acf4bfbaa200aec6a88bc59"
"""Trials 0 and 1 of the study: the one was killed before it was tested, the other after that, before the study heard of it."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of all of it; the runs are put among the tests' own."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(Path(__file__).with_name("2026-11.tar.xz")) as packed:
        packed.extractall(folder, filter="data")
    for run in (folder / "runs").iterdir():
        shutil.copytree(run, run_folder(run.name))
    return folder


@pytest.mark.parametrize("run", [SUPERVISED, GAITSET, COD2])
def test_runs_are_tested_again(old: Path, tiny_store: Store, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(run)
    outcome = read_outcome(folder)
    assert outcome is not None
    again = retest(folder, LocalRun(lambda: folder), NoTracker(), data=None, protocols=())
    assert again.metrics["walkers/rank1"] == pytest.approx(outcome.metrics["walkers/rank1"], abs=3)  # other machines round otherwise
    assert outcome.subjects["walkers"].keys() == again.subjects["walkers"].keys()
    assert newest_run(read_config(folder).name) == run


def test_a_run_goes_on_and_comes_to_the_same(old: Path, tiny_store: Store, tmp_path: Path) -> None:
    source = old / "runs" / SUPERVISED
    for name in ("experiment.json", "step-00000004.pt"):
        shutil.copy(source / name, tmp_path)
    fit(read_config(tmp_path), LocalRun(lambda: tmp_path, device=torch.device("cpu")), NoTracker(), resume=True)
    then, now = (checkpoint.at(folder, 8) for folder in (source, tmp_path))
    for name, value in then["method"].items():
        torch.testing.assert_close(now["method"][name], value, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_configs_are_written_without_modules(old: Path) -> None:
    for run in (SUPERVISED, COD2):
        plain = json.loads((old / "runs" / run / "experiment.json").read_text())
        assert plain["method"]["kind"].startswith("gaitlab.methods.")
        experiment = from_dict(plain, Experiment)
        assert to_dict(experiment)["method"]["kind"] == type(experiment.method).__name__
        assert from_dict(to_dict(experiment), Experiment) == experiment


def test_a_killed_study_goes_on(old: Path, tmp_path: Path) -> None:
    storage = f"sqlite:///{shutil.copy(old / 'sweeps.db', tmp_path)}"
    sweep = remembered("again", storage)
    assert sweep is not None
    assert list(sweep.rows) == ["the good one", "another"]
    study = Study.open(sweep, storage)
    try:
        assert study.command == "python pipelines/sweep.py again"
        left = [study.next(), study.next()]
        assert [trial and trial[0].run for trial in left] == [BEGUN, ENDED], "in their old runs"
        outcome = read_outcome(run_folder(ENDED))
        assert outcome is not None
        study.completed(1, outcome.metrics)
        table = ablation_result(replace(sweep, baseline={}), study)
        assert [row.values for row in table.rows] == [[], [outcome.metrics["walkers/rank1"]]]
    finally:
        study.close()


def test_a_registered_model_embeds(old: Path, tiny_store: Store) -> None:
    """By the copy of `served.py` that lies in the model."""
    mlflow = pytest.importorskip("mlflow.pyfunc")
    model = mlflow.load_model(str(old / "model"))
    walk = tiny_store.frames("silhouette").walk(0)[:, 0]
    network = Network(run_folder(SUPERVISED), device=torch.device("cpu"))
    np.testing.assert_allclose(model.predict(walk[None]), network.embed(walk[None]), atol=1e-5)
    assert home() in run_folder(SUPERVISED).parents
