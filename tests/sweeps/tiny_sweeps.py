"""Sweeps over the tests' tiny store, run in processes of their own so that they can be killed."""

from dataclasses import replace

from experiments.cod2 import BASELINE_MINI
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.config import override
from gaitlab.experiment import Experiment, Transfer, parts
from gaitlab.guard import guarded
from gaitlab.launch import run_sweep
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Choice, Sweep, Uniform
from tests.conftest import TINY


def base(**train: int) -> Experiment:
    """A network of a few thousand weights on the tiny store."""
    method = BASELINE_MINI.method
    assert isinstance(method, SupervisedConfig)
    backbone = GaitBaseConfig(channels=(4, 8, 8, 8), stem_stride=4, bins=(4,))
    small = replace(method, backbone=backbone, embedding=8, clip=replace(method.clip, frames=4))
    data = replace(BASELINE_MINI.data, root="tiny", make=TINY, subjects_per_batch=4, walks_per_subject=2)
    settings = {"steps": 6, "log_every": 1, "checkpoint_every": 2, "max_bad_steps": 2} | train
    return replace(BASELINE_MINI, method=small, data=data, train=replace(BASELINE_MINI.train, **settings))


PRETRAINED = replace(base(steps=4), name="pretrained", seed=9)
"""What rows of `six` stand on."""
TUNED = (Transfer(of=PRETRAINED, parts=parts("backbone")),)
SPACE = {"optim.lr": Uniform(low=1e-4, high=1e-2, log=True), "method.margin": Choice((0.1, 0.2, 0.3))}

SWEEPS = {
    s.name: s
    for s in (
        Sweep(
            name="six",
            base=base(),
            rows={"afresh": {}, "tuned": {"init": TUNED}, "slowly": {"init": TUNED, "init.0.lr_ratio": 0.1}},
            baseline={"tuned": "afresh", "slowly": "afresh"},
            seeds=(0, 1),
        ),
        *(
            Sweep(name=name, base=base(steps=40, evaluate_every=20), space=SPACE, trials=trials, seeds=(4,))
            for name, trials in (("killed", 4), ("killed-long", 16))
        ),
        Sweep(
            name="stopped",
            base=base(steps=24, evaluate_every=2),
            space={"optim.lr": Uniform(low=1e-4, high=1e-1, log=True)},
            trials=6,
            stopper="asha",
            seeds=(4,),
        ),
        Sweep(
            name="failing",
            base=base(),
            rows={"good": {}, "nan": {"optim.lr": 1e38, "optim.name": "sgd"}, "other": {"optim.lr": 1e-4}},
            seeds=(0,),
        ),
        Sweep(
            name="broken",
            base=base(),
            rows={
                "stands on nan": {
                    "init": (Transfer(of=override(PRETRAINED, {"optim.lr": 1e38, "optim.name": "sgd"}), parts=parts("backbone")),)
                }
            },
            seeds=(0, 1),
        ),
        Sweep(name="interrupted", base=base(steps=300), rows={"first": {}, "second": {"optim.lr": 1e-4}}, seeds=(0,)),
        Sweep(name="again", base=base(), rows={"the good one": {}, "another": {"optim.lr": 2e-4}}, seeds=(0,)),
        Sweep(
            name="wide", base=replace(base(evaluate_every=3), scale=replace(base().scale, workers=2)), rows={"two workers": {}}, seeds=(0,)
        ),
    )
}


def here(name: str, processes: int = 2, minutes: float | None = None, tracking: bool = True) -> None:
    """What `pipelines/sweep.py NAME --here` does."""
    guarded(lambda: run_sweep(SWEEPS[name], here=True, processes=processes, minutes=minutes, tracking=tracking))


def drive(*names: str) -> None:
    """What `pipelines/sweep.py` does, of several."""
    guarded(lambda: [run_sweep(SWEEPS[name]) for name in names])
