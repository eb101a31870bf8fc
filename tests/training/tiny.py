"""The smallest experiment that is a real one."""

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.data.shards import DataConfig
from gaitlab.data.source import SourceConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.runs.summary import Summary
from gaitlab.training import fit as training
from gaitlab.training.border import Tracker
from gaitlab.training.ready import prepare
from gaitlab.training.run import LocalRun
from gaitlab.types import Augment, ClipSpec


def experiment(source: SourceConfig, steps: int = 12) -> Experiment:
    """GaitBase with 4-8 channels, augmentation on, on `source`."""
    return Experiment(
        name="tiny",
        method=SupervisedConfig(
            backbone=GaitBaseConfig(channels=(4, 8, 8, 8), stem_stride=2, bins=(8,)),
            clip=ClipSpec(frames=4, augment=Augment(flip=0.5, rotate=0.5)),
            embedding=8,
        ),
        data=DataConfig(root="tiny", make=source, subjects_per_batch=4, walks_per_subject=2),
        optim=OptimConfig(lr=0.05, schedule="cosine", warmup=2, ema=0.9, clip_norm=50.0),
        train=TrainConfig(steps=steps, checkpoint_every=4, log_every=4),
        benchmarks=(Benchmark(protocol="walkers"),),
    )


def fit(experiment: Experiment, run: LocalRun, tracker: Tracker, *, resume: bool = False) -> Summary:
    """As a launcher does it: made ready, then trained and tested."""
    return training.fit(prepare(experiment, run.world, resume=resume), run, tracker, resume=resume)
