"""A network that starts from parts of an earlier run's."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gaitlab.config import from_dict, override, to_dict
from gaitlab.experiment import Experiment, Transfer, parts
from gaitlab.runs import checkpoint
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import copy, sources, trained
from gaitlab.training.transfer import check_transfers
from tests.conftest import TINY
from tests.training.tiny import experiment, fit


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    fit(experiment(TINY, steps=2), LocalRun(lambda: folder), NoTracker())
    return folder


def of(run: Path | str, *names: str, **more: float) -> tuple[Transfer, ...]:
    return (Transfer(of=str(run), parts=parts(*names), **more),)


def started(config: Experiment, run: LocalRun) -> torch.nn.Module:
    torch.manual_seed(1)
    method = config.method.build(3)
    copy(method, config.init, sources(config), run)
    return method


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"best": None}, "no whole one: best are missing"),
        ({"config": None, "subjects": 3}, "no whole one: config, subjects are missing"),
        ({"config": "[]"}, "is a list, not an experiment's fields"),
        ({"config": '{"kind": 5}'}, "no imported Experiment"),
        ({"sources": [{"run": "x"}]}, "sources are damaged"),
        ({"method": {}, "averaged": None}, "does not fit the network .* has no .* of that size"),
        ({"wider": {"method.backbone.channels": (10**7, 10**7, 10**7, 10**7)}}, "does not fit the network .* has no .* of that size"),
        ({"wider": {"method.backbone.channels": (10**9, 10**9, 10**9, 10**9)}}, "makes no network: Storage size"),
    ],
)
def test_a_checkpoint_that_somebody_else_wrote_is_a_line_at_worst(earlier: Path, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    state = checkpoint.chosen(earlier)[1]
    if wider := change.pop("wider", None):
        change = {"config": json.dumps(to_dict(override(from_dict(json.loads(state["config"]), Experiment), wider)))}
    checkpoint.write(checkpoint.step_path(tmp_path, state["step"]), state | change)
    with pytest.raises(ValueError, match=says) as caught:
        trained(tmp_path, LocalRun(lambda: tmp_path))
    assert "\n" not in str(caught.value)


def test_parts_are_those_of_the_run(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = LocalRun(lambda: earlier)
    source = trained(earlier, run)[1]
    config = replace(experiment(TINY), init=of(earlier, "backbone", "head"))
    method, afresh = started(config, run), started(experiment(TINY), run)
    for name, value in method.state_dict().items():
        taken = name.startswith(("backbone.", "head."))
        assert torch.equal(value, (source if taken else afresh).state_dict()[name]), name
    said = capsys.readouterr().out
    assert "backbone: " in said
    assert "head: 1 tensors from tiny" in said


@pytest.mark.parametrize(
    ("run", "part", "changes", "says"),
    [
        ("never", "backbone", {}, "tiny, init.0: no run 'never'"),
        ("", "backbon", {}, "the network it is taken from has no part 'backbon'; it has backbone, head, neck"),
        ("", "neck", {"method.neck": "none"}, "the network to train has no part 'neck'; it has backbone, head"),
        ("", "backbone", {"method.backbone.channels": (4, 8, 8, 12)}, r"backbone\.stages\.3\.0\.bn1\.bias \(shape \[8\], here \[12\]\)"),
        ("", "backbone", {"method.backbone.layers": (1, 2, 1, 1)}, r"backbone\.stages\.1\.1\.bn1\.bias \(missing there\)"),
    ],
)
def test_what_does_not_fit_is_named(earlier: Path, run: str, part: str, changes: dict[str, Any], says: str) -> None:
    config = replace(override(experiment(TINY), changes), init=of(run or earlier, part))
    with pytest.raises(ValueError, match=says):
        check_transfers(config)
    if part == "backbone" and not run:
        with pytest.raises(ValueError, match=says):
            started(config, LocalRun(lambda: earlier))


def test_a_run_goes_on_when_the_one_it_started_from_is_gone(earlier: Path, tmp_path: Path) -> None:
    folder, source = tmp_path / "run", tmp_path / "source"
    shutil.copytree(earlier, source)
    config = replace(experiment(TINY, steps=2), init=of(source, "backbone"))
    fit(config, LocalRun(lambda: folder), NoTracker())
    shutil.rmtree(source)
    fit(config, LocalRun(lambda: folder), NoTracker(), resume=True)
    with pytest.raises(ValueError, match="no checkpoint in"):
        fit(config, LocalRun(lambda: tmp_path / "other"), NoTracker(), resume=True)


def test_a_run_starts_where_the_other_ended(earlier: Path, tmp_path: Path) -> None:
    config = replace(override(experiment(TINY, steps=1), {"optim.lr": 0.0}), init=of(earlier, "backbone"))
    fit(config, LocalRun(lambda: tmp_path), NoTracker())
    ours, theirs = (dict(trained(folder, LocalRun(lambda: tmp_path))[1].named_parameters()) for folder in (tmp_path, earlier))
    same = {name: torch.equal(ours[name], theirs[name]) for name in ours}
    assert all(value is name.startswith("backbone.") for name, value in same.items())


def test_parts_learn_at_their_ratio_and_frozen_ones_not_at_all(earlier: Path, tmp_path: Path) -> None:
    """One step of plain SGD without decay: what a part moves by is proportional to its ratio."""
    plain = {"optim.momentum": 0.0, "optim.weight_decay": 0.0, "optim.ema": None, "optim.warmup": 0, "optim.clip_norm": None}
    alone = override(experiment(TINY, steps=1), plain)
    moved = {}
    for ratio in (1.0, 0.25, 0.0):
        config = replace(alone, init=(*of(earlier, "head"), *of(earlier, "backbone", lr_ratio=ratio)))
        folder = tmp_path / str(ratio)
        fit(config, LocalRun(lambda folder=folder: folder), NoTracker())  # type: ignore[misc]
        ours, theirs = (trained(at, LocalRun(lambda: tmp_path))[1] for at in (folder, earlier))
        before, after = (network.get_parameter("head.weight") for network in (theirs, ours))
        moved[ratio, "head"] = (after - before).detach()
        stem = [ours.backbone.stem, theirs.backbone.stem]
        weights = [next(p for p in s.parameters() if p.dim() == 4).detach() for s in stem]
        moved[ratio, "backbone"] = weights[0] - weights[1]
    assert torch.equal(moved[0.0, "backbone"], torch.zeros_like(moved[0.0, "backbone"]))
    torch.testing.assert_close(moved[0.25, "backbone"], 0.25 * moved[1.0, "backbone"], rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(moved[0.25, "head"], moved[1.0, "head"])
    assert moved[1.0, "head"].abs().max() > 0
