"""A network that starts from parts of an earlier run's."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gaitlab.config import override
from gaitlab.experiment import Experiment, InitConfig
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.ready import prepare
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.training.transfer import start_from
from tests.conftest import TINY
from tests.training.tiny import experiment, fit


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    fit(experiment(TINY, steps=2), LocalRun(lambda: folder), NoTracker())
    return folder


def started(config: Experiment, run: LocalRun) -> torch.nn.Module:
    torch.manual_seed(1)
    method = config.method.build(3)
    start_from(method, config.init, run)
    return method


def test_parts_are_those_of_the_run(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = LocalRun(lambda: earlier)
    source = trained(earlier, run)[1]
    config = replace(experiment(TINY), init=InitConfig(run=str(earlier), parts=("backbone", "head")))
    method, afresh = started(config, run), started(experiment(TINY), run)
    for name, value in method.state_dict().items():
        taken = name.startswith(("backbone.", "head."))
        assert torch.equal(value, (source if taken else afresh).state_dict()[name]), name
    said = capsys.readouterr().out
    assert "backbone: " in said
    assert "head: 1 tensors from tiny" in said


@pytest.mark.parametrize(
    ("init", "changes", "says"),
    [
        ({"run": "never"}, {}, "init.run: no run 'never'"),
        ({"parts": ("backbon",)}, {}, "the network of tiny has no 'backbon'; it has backbone, head, neck"),
        ({"parts": ("neck",)}, {"method.neck": "none"}, "the network to train has no 'neck'; it has backbone, head"),
        ({}, {"method.backbone.channels": (4, 8, 8, 12)}, r"does not fit: backbone\.stages\.3\.0\.bn1\.bias \(shape \[8\], here \[12\]\)"),
        ({}, {"method.backbone.layers": (1, 2, 1, 1)}, r"backbone\.stages\.1\.1\.bn1\.bias \(missing\)"),
    ],
)
def test_what_does_not_fit_is_named(earlier: Path, init: dict, changes: dict, says: str) -> None:
    config = replace(override(experiment(TINY), changes), init=InitConfig(**({"run": str(earlier), "parts": ("backbone",)} | init)))
    with pytest.raises(ValueError, match=says):
        started(config, LocalRun(lambda: earlier))


def test_run_and_parts_go_together() -> None:
    for init, says in ((InitConfig(run="x"), "give --init.parts"), (InitConfig(parts=("backbone",)), "give --init.run RUN_ID")):
        with pytest.raises(ValueError, match=says):
            prepare(replace(experiment(TINY), init=init), 1)


def test_a_run_goes_on_when_the_one_it_started_from_is_gone(earlier: Path, tmp_path: Path) -> None:
    folder, source = tmp_path / "run", tmp_path / "source"
    shutil.copytree(earlier, source)
    config = replace(experiment(TINY, steps=2), init=InitConfig(run=str(source), parts=("backbone",)))
    fit(config, LocalRun(lambda: folder), NoTracker())
    shutil.rmtree(source)
    fit(config, LocalRun(lambda: folder), NoTracker(), resume=True)
    with pytest.raises(ValueError, match="no run"):
        fit(config, LocalRun(lambda: tmp_path / "other"), NoTracker(), resume=True)


def test_a_run_starts_where_the_other_ended(earlier: Path, tmp_path: Path) -> None:
    config = replace(override(experiment(TINY, steps=1), {"optim.lr": 0.0}), init=InitConfig(run=str(earlier), parts=("backbone",)))
    fit(config, LocalRun(lambda: tmp_path), NoTracker())
    ours, theirs = (dict(trained(folder, LocalRun(lambda: tmp_path))[1].named_parameters()) for folder in (tmp_path, earlier))
    same = {name: torch.equal(ours[name], theirs[name]) for name in ours}
    assert all(value is name.startswith("backbone.") for name, value in same.items())
