"""The best network by its own loss on walks set aside: for training without labels."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gaitlab.config import override
from gaitlab.data.feed import Feed
from gaitlab.data.store import Store
from gaitlab.experiment import Experiment
from gaitlab.rng import Rng
from gaitlab.runs import checkpoint
from gaitlab.sweeps.sweep import Choice, Sweep, experiments
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.ready import prepare
from gaitlab.training.run import LocalRun
from gaitlab.training.validation import held_out_loss, validation_of
from tests.training.tiny import fit
from tests.training.toys import chain


class Curve(NoTracker):
    def __init__(self) -> None:
        super().__init__()
        self.points: dict[int, float] = {}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if "validation" in metrics:
            self.points[step] = metrics["validation"]


def pretraining(root: Path, steps: int = 6) -> Experiment:
    pretrained = chain(root, steps).all_below[0]
    return override(replace(pretrained, validation="loss"), {"train.evaluate_every": 2, "train.keep": 9, "optim.ema": None})


def test_the_loss_is_that_of_fixed_batches_of_people_set_aside(tiny_store: Store, tmp_path: Path) -> None:
    """Computed here once more by hand; asking for it changes nothing, and the same network has the same loss."""
    of = pretraining(tiny_store.root)
    ready, run = prepare(of), LocalRun(lambda: tmp_path)
    judge = validation_of(ready, run)
    assert judge is not None
    torch.manual_seed(3)
    network = of.method.build(9)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    got = judge.measure(network)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    feed = Feed(tiny_store, of.method.clips(), p=4, k=2, seed=0, split="validation", draw="walks")
    assert set(tiny_store.index["split"].iloc[feed.batch(0, run.device).rows.numpy()]) == {"validation"}
    assert feed.walks == 64
    network.eval()
    with torch.no_grad():
        losses = [float(network.losses(feed.batch(i, run.device), Rng(0, i, range(8))).total()) for i in range(8)]
    assert got == pytest.approx(sum(losses) / 8, rel=1e-6)
    assert held_out_loss(of, network, feed, run) == got


def test_the_lowest_is_the_best_and_is_what_remains(tiny_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve, run = Curve(), LocalRun(lambda: tmp_path, keep=9)
    fit(pretraining(tiny_store.root), run, curve)
    assert list(curve.points) == [2, 4, 6]
    best = min(curve.points, key=lambda step: curve.points[step])
    state = checkpoint.chosen(tmp_path)[1]
    assert state["step"] == best
    assert state["best"] == {"step": best, "score": -curve.points[best]}
    assert f"validation {curve.points[2]:.4g}, best {curve.points[2]:.4g} at step 2  " in capsys.readouterr().out


def test_who_cannot_be_judged_by_a_loss(tiny_store: Store) -> None:
    student = replace(chain(tiny_store.root), validation="loss", init=())
    with pytest.raises(ValueError, match=r"^--validation loss is for learning without labels \(--data.draw walks\)"):
        prepare(student)
    people = replace(student, data=replace(student.data, draw="walks"))
    with pytest.raises(ValueError, match=r"^--validation loss: student\.neck\.\S+ tells the training people apart"):
        prepare(people)
    sweep = Sweep(name="s", base=pretraining(tiny_store.root), space={"optim.lr": Choice(values=(0.1, 0.2))}, trials=2)
    with pytest.raises(ValueError, match="sweep s chooses by a protocol, not by a loss"):
        list(experiments(sweep))
