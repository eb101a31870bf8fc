"""The axes of any recogniser's recipe, as a search: rate, decay, margin, width, strength of augmentation.

`recipe-NAME` for every experiment NAME that learns identities, judged by the validation identities of its own data
(`pipelines/ingest.py ... --validation N`).
"""

from dataclasses import replace

from experiments import cod2, supervised, walkers
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Experiment
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.sweeps.sweep import Choice, Range, Sweep, Uniform


def recipe(experiment: Experiment) -> Sweep:
    """The search around one experiment: rates and decays of a quarter to four times its own, half to double its width."""
    method = experiment.method.recogniser_config()
    at = ".".join(("method", *experiment.method.recogniser_path()))
    assert isinstance(method, SupervisedConfig)
    optim = experiment.optim
    space: dict[str, Range] = {
        "optim.lr": Uniform(low=optim.lr / 4, high=optim.lr * 4, log=True),
        "optim.weight_decay": Uniform(low=(optim.weight_decay or 1e-4) / 4, high=(optim.weight_decay or 1e-4) * 4, log=True),
        f"{at}.margin": Uniform(low=0.1, high=0.4),
        f"{at}.clip.augment.flip": Choice((0.0, 0.2, 0.5)),
        f"{at}.clip.augment.rotate": Choice((0.0, 0.2, 0.5)),
        f"{at}.clip.augment.perspective": Choice((0.0, 0.2, 0.5)),
    }
    channels: tuple[int, ...] | None = getattr(method.backbone, "channels", None)
    if channels:
        space[f"{at}.backbone.channels"] = Choice(tuple(tuple(int(c * factor) for c in channels) for factor in (0.5, 1, 2)))
    chosen_by = experiment.validation or f"{protocol(experiment.benchmarks[0].protocol).name}@validation"
    return Sweep(
        name=f"recipe-{experiment.name}",
        title="rate, decay, margin, width, augmentation",
        base=replace(experiment, validation=chosen_by),
        space=space,
        trials=32,
        seeds=(0,),
    )


def _learns_identities(experiment: Experiment) -> bool:
    method = experiment.method.recogniser_config()
    return isinstance(method, SupervisedConfig) and not method.classes and bool(experiment.benchmarks)


SWEEPS = {
    sweep.name: sweep
    for sweep in (recipe(e) for module in (supervised, walkers, cod2) for e in module.ALL.values() if _learns_identities(e))
}  # fmt: skip
