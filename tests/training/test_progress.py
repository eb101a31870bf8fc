"""What a run says while it trains: losses, and how good the network is on the way."""

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gaitlab.config import override
from gaitlab.data.store import Store
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.batches import make_feed
from gaitlab.training.loop import Validation, train
from gaitlab.training.progress import Steps
from gaitlab.training.run import LocalRun
from tests.conftest import TINY
from tests.training.tiny import experiment


class Curves(NoTracker):
    def __init__(self) -> None:
        super().__init__()
        self.points: dict[int, set[str]] = {}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.points[step] = {*metrics} & {"loss", "validation"}


def lines(store: Store, folder: Path, capsys: pytest.CaptureFixture[str], scores: list[float]) -> tuple[dict[int, str], Curves]:
    """Step -> its line, of a run that is logged every 4 steps and evaluated every 3."""
    tiny = override(experiment(TINY, steps=7), {"train.log_every": 4, "train.evaluate_every": 3, "train.checkpoint_every": 3})
    run, curves, answers = LocalRun(lambda: folder), Curves(), iter(scores)
    feed = make_feed(tiny, store, run)
    torch.manual_seed(0)
    tiny = replace(tiny, validation="walkers@validation")
    capsys.readouterr()
    train(
        tiny, tiny.method.build(len(feed.subjects)), feed, run, curves,
        data_hash=store.hash, validation=Validation(lambda _: next(answers)),
    )  # fmt: skip
    said = capsys.readouterr().out
    return {int(step): line for line, step in re.findall(r"^(tiny (\d+)/7 .*)$", said, re.M)}, curves


def test_a_line_for_every_evaluation(tiny_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, curves = lines(tiny_store, tmp_path, capsys, [24.04, 23.1, 31.0])
    assert {step: re.findall(r"  (validation .*?)  ", line) for step, line in said.items()} == {
        3: ["validation 24.0, best 24.0 at step 3"],
        4: [],
        6: ["validation 23.1, best 24.0 at step 3"],
        7: ["validation 31.0, best 31.0 at step 7"],
    }
    for line in said.values():
        assert re.search(r"  loss \d.* steps/s, .* walks/s  \d+:\d\d left$", line)
    assert curves.points == {3: {"validation"}, 4: {"loss"}, 6: {"validation"}, 7: {"loss", "validation"}}


def test_a_score_that_is_no_number_is_not_the_best(tiny_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, _ = lines(tiny_store, tmp_path, capsys, [float("nan"), 20.0, 10.0])
    assert "  validation nan  " in said[3]
    assert "  validation 20.0, best 20.0 at step 6  " in said[6]


def test_the_bar_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    bar = Steps("tiny", 0, 10)
    assert bar.bar is not None
    bar.show(2, {"loss": 1.5}, 2.0)
    assert bar.bar.tasks[0].fields["note"] == "loss 1.5  2.00 steps/s"
    bar.best = "best 24.0 at step 4"
    bar.show(6, {"loss": 1.25}, 2.0, "validation 23.1, best 24.0 at step 4")
    assert bar.bar.tasks[0].fields["note"] == "best 24.0 at step 4  loss 1.25  2.00 steps/s"


def test_a_look_at_the_rate_does_not_begin_anew() -> None:
    steps = Steps("tiny", 0, 10, quiet=True)
    steps.seen -= 10
    assert steps.rate(5, anew=False) == pytest.approx(0.5, rel=0.1)
    assert steps.rate(8) == pytest.approx(0.8, rel=0.1)
    assert steps.rate(8) == 0
