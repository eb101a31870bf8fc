"""A whole OpenGait configuration -> our experiment. Whatever is not understood is a ValueError that names the key.

A configuration leaves out what OpenGait has defaults for; they are the defaults of the calls below.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gaitlab.config import override
from gaitlab.data.shards import DataConfig
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.protocols import protocol
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig
from gaitlab.interop.opengait.benchmarks import CROSS, INDOOR, data_set, ingest_line, protocol_of
from gaitlab.interop.opengait.models import from_peer, peer_subjects
from gaitlab.interop.opengait.settings import Settings, read_yaml
from gaitlab.interop.opengait.transforms import read_transforms
from gaitlab.method import MethodConfig
from gaitlab.types import ClipSpec, FrameOrder, Modality

UNLIMITED = 1_000_000
"""Frames of the longest walk where the configuration sets no limit."""
_INPUT: dict[int, Modality] = {1: "silhouette", 2: "skeleton", 3: "depth"}
"""Channels of a network with one input -> what it sees."""
_LEAST_RATE = 1e-4
"""Below which GaitSSB's fine-tuning lets no rate fall, whatever its schedule says."""
_FILES: tuple[Modality, ...] = ("skeleton", "silhouette", "depth")
"""Order of the files of a walk with several."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a configuration says.

    subjects: people that its classifier tells apart, 0 where it has none or names no number. notes: what has no effect here, and why.
    ingest: what to type so that the data are there. reset_optimiser, reset_schedule: whether a continued run starts them afresh.
    """

    experiment: Experiment
    subjects: int
    notes: tuple[str, ...]
    ingest: str
    reset_optimiser: bool
    reset_schedule: bool


def read_experiment(config: str | Path | Mapping[str, Any]) -> Experiment:
    """The experiment of an OpenGait YAML, or of its content; its data are the shards named as the data set."""
    return read_recipe(config).experiment


def read_recipe(config: str | Path | Mapping[str, Any], shapes: Mapping[str, Sequence[int]] | None = None) -> Recipe:
    """The same with all that an experiment has no place for. shapes: of a checkpoint's entries (see `from_peer`)."""
    notes: list[str] = []
    top = Settings(config if isinstance(config, Mapping) else read_yaml(config), "", notes)
    data, model, losses = top.inner("data_cfg"), top.raw("model_cfg"), top.raw("loss_cfg")
    optimizer, scheduler = top.inner("optimizer_cfg", {}), top.inner("scheduler_cfg", {})
    trainer, evaluator = top.inner("trainer_cfg", {}), top.inner("evaluator_cfg", {})
    top.close()
    if not isinstance(model, Mapping) or not isinstance(model.get("model"), str):
        raise ValueError("model_cfg names no model; it takes e.g. 'model: Baseline' and the network's settings")  # noqa: TRY004  (the user's input)
    losses = [losses] if isinstance(losses, Mapping) else losses
    if not isinstance(losses, list | tuple) or not all(isinstance(term, Mapping) for term in losses):
        raise ValueError("loss_cfg is a list of losses, e.g. '- type: TripletLoss'")
    losses = [_weighed(term, f"loss_cfg[{i}]", notes) for i, term in enumerate(losses)]

    name = data_set(data.text("dataset_name"), data.name("dataset_name"))
    tested = data_set(data.text("test_dataset_name", name), data.name("test_dataset_name"))
    width, augment = read_transforms(trainer)
    if (test := read_transforms(evaluator)) != (width, type(augment)()):
        raise ValueError(_unlike(width, *test))
    clip, sampling = _sampled(trainer.inner("sampler", {}), evaluator.inner("sampler", {}))
    method = _method(functools.partial(from_peer, model, losses, shapes=shapes), replace(clip, width=width, augment=augment))
    method = _frozen(method, trainer)
    root = data.text("dataset_root", "RAW")
    line = ingest_line(name, root, data.text("dataset_partition", "PARTITION.json"), _files(data, method))
    data.ignore("ours are made by gaitlab's feed", "num_workers", "cache")
    data.ignore("nothing reads it", "remove_no_gallery")
    data.close()

    resets = trainer.flag("optimizer_reset", False), trainer.flag("scheduler_reset", False)
    optim = _optim(optimizer, scheduler)
    if model["model"] == "GaitSSB_Finetune":
        optim = replace(optim, least_lr=_LEAST_RATE)
    steps = trainer.whole("total_iter", 80_000)
    if optim.schedule == "cosine" and (last := scheduler.whole("T_max")) != steps:
        raise ValueError(f"scheduler_cfg.T_max is {last}; the cosine ends with training here: write {steps}, as trainer_cfg.total_iter")
    scheduler.close()
    benchmarks = _benchmarks(evaluator, name, tested, method)
    experiment = Experiment(
        name=f"{trainer.text('save_name', model['model'])}-{name}",
        method=method,
        data=DataConfig(root=name, **sampling),
        optim=optim,
        train=TrainConfig(
            steps=steps,
            precision="float16" if trainer.flag("enable_float16", True) else "float32",
            checkpoint_every=trainer.whole("save_iter", 2000),
            log_every=trainer.whole("log_iter", 100),
        ),
        benchmarks=benchmarks,
    )
    _rest(trainer)
    return Recipe(
        experiment=experiment,
        subjects=0 if method.targets() else peer_subjects(model),
        notes=tuple(notes),
        ingest=line,
        reset_optimiser=resets[0],
        reset_schedule=resets[1],
    )


# -- batches and clips -------------------------------------------------------------------------------------------------


def _sampled(train: Settings, test: Settings) -> tuple[ClipSpec, dict[str, Any]]:
    """The clip but for its transforms, and DataConfig's fields of a batch."""
    kind = train.choice("type", ("TripletSampler", "BilateralSampler", "CommonSampler"), "TripletSampler")
    train.ignore("the order of a batch has no effect", "batch_shuffle")
    if kind == "CommonSampler":
        p, k = train.whole("batch_size"), 1
    else:
        size = train.wholes("batch_size", (8, 16))
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"{train.name('batch_size')} is {list(size)}; it takes people and walks of each, e.g. [8, 16]")
        p, k = size
    sampling: dict[str, Any] = {"subjects_per_batch": p, "walks_per_subject": k}
    if kind != "TripletSampler":
        sampling["draw"] = "walks"

    how, order = _sample_type(train, "fixed_unordered")
    frames: int | tuple[int, int] | None = None
    spec = ClipSpec(order=order, limit=_limit(test))
    if how == "fixed":
        frames = train.whole("frames_num_fixed", 30)
    elif how == "unfixed":
        frames = (train.whole("frames_num_min", 25), train.whole("frames_num_max", 50))
        if frames[0] > frames[1]:
            raise ValueError(f"{train.name('frames_num_min')} is {frames[0]}, above frames_num_max, {frames[1]}")
    elif _limit(train) != spec.limit:
        raise ValueError(f"{train.name('frames_all_limit')} and {test.name('frames_all_limit')} differ; give both the same value")
    if order == "ordered" and how != "all":
        spec = replace(spec, skip=train.whole("frames_skip_num", least=0))
    unused = ("frames_num_fixed", "frames_num_min", "frames_num_max", "frames_skip_num", "frames_all_limit")
    train.ignore("not read by this sample_type", *unused)
    train.close()

    if (how := _sample_type(test, "all_ordered")[0]) != "all":
        raise ValueError(f"{test.name('sample_type')} takes {how} frames; tests embed whole walks here: write all_ordered")
    test.ignore("walks are tested in batches of any size", "batch_size", "batch_shuffle", "type")
    test.ignore("not read by this sample_type", *unused)
    test.close()
    return replace(spec, frames=frames), sampling


def _sample_type(sampler: Settings, default: str) -> tuple[str, FrameOrder]:
    orders: dict[str, FrameOrder] = {"ordered": "ordered", "unordered": "unordered", "allordered": "unordered"}
    known = [f"{how}_{order}" for how in ("fixed", "unfixed", "all") for order in orders]
    how, _, order = sampler.choice("sample_type", known, default).partition("_")
    if order == "allordered" and how != "all":
        sampler.notes.append(f"{sampler.name('sample_type')} (allordered draws unordered frames there, so it does here)")
    return how, orders[order]


def _limit(sampler: Settings) -> int:
    return sampler.whole("frames_all_limit", UNLIMITED)


def _weighed(term: Mapping[str, Any], path: str, notes: list[str]) -> dict[str, Any]:
    """A loss without a misspelt weight that stands in published configurations and has no effect there."""
    if "loss_term_weights" in term:
        notes.append(f"{path}.loss_term_weights (nothing reads it: a weight is loss_term_weight)")
    return {key: value for key, value in term.items() if key != "loss_term_weights"}


def _unlike(ours: int | None, width: int | None, augment: Any) -> str:
    changed = [name for name, chance in vars(augment).items() if chance]
    if changed:
        return f"evaluator_cfg.transform changes the walks at random ({', '.join(changed)}); leave these out of a test"
    kept = [f"{w} columns" if w else "all columns" for w in (ours, width)]
    return f"evaluator_cfg.transform keeps {kept[1]}, trainer_cfg.transform {kept[0]}; write the same for both"


def _method(configured: Any, clip: ClipSpec) -> MethodConfig:
    """The method on this clip; what a network with one input sees follows from its channels."""
    method: MethodConfig = configured(clip=clip)
    channels = list(set(method.channels().values()))
    seen = {spec.modality for spec in method.clips().values()}
    if len(channels) == len(seen) == 1 and (modality := _INPUT.get(channels[0])) and seen != {modality}:
        return configured(clip=replace(clip, modality=modality))
    return method


def _frozen(method: MethodConfig, trainer: Settings) -> MethodConfig:
    """Batch norm's statistics stay where `fix_BN` says so and the method can."""
    frozen = trainer.flag("fix_BN", False)
    if hasattr(method, "freeze_norms"):
        return override(method, {"freeze_norms": frozen})
    if frozen:
        raise ValueError(f"{trainer.name('fix_BN')}: batch norm always learns in this network: write false")
    return method


def _files(data: Settings, method: MethodConfig) -> dict[str, int]:
    """Modality -> position of its file, of `data_in_use` (a list of yes and no, or of positions); {} where it is not given."""
    modalities = list(dict.fromkeys(spec.modality for spec in method.clips().values()))
    modalities.sort(key=lambda m: _FILES.index(m) if m in _FILES else len(_FILES))
    used = data.raw("data_in_use", None)
    if used is None:
        return {} if modalities == ["silhouette"] else dict(zip(modalities, range(9), strict=False))
    if not isinstance(used, list | tuple) or not (all(type(u) is bool for u in used) or all(type(u) is int for u in used)):
        raise ValueError(f"{data.name('data_in_use')} is {used!r}; it takes a list of true and false, or of positions")
    positions = [i for i, use in enumerate(used) if use] if all(type(u) is bool for u in used) else list(used)
    if len(positions) != len(modalities):
        raise ValueError(f"{data.name('data_in_use')} uses {len(positions)} files; this network sees {', '.join(modalities)}")
    return dict(zip(modalities, positions, strict=True))


# -- optimiser, tests and the rest -------------------------------------------------------------------------------------


def _optim(optimizer: Settings, scheduler: Settings) -> OptimConfig:
    """Everything but the cosine's length, which `scheduler` keeps."""
    names: dict[str, Literal["sgd", "adam", "adamw"]] = {"SGD": "sgd", "Adam": "adam", "AdamW": "adamw"}
    name = names[optimizer.choice("solver", list(names), "SGD")]
    if name == "sgd":
        momentum = optimizer.number("momentum", 0.9)
    else:
        momentum = OptimConfig.momentum
        optimizer.ignore("only SGD has it", "momentum")
    config = OptimConfig(name=name, lr=optimizer.number("lr", 0.1), momentum=momentum, weight_decay=optimizer.number("weight_decay", 5e-4))
    optimizer.close()
    if scheduler.choice("scheduler", ("MultiStepLR", "CosineAnnealingLR"), "MultiStepLR") == "CosineAnnealingLR":
        if scheduler.number("eta_min", 0.0):
            raise ValueError(f"{scheduler.name('eta_min')}: the cosine ends at 0 here: leave it out")
        scheduler.ignore("not read by CosineAnnealingLR", "milestones", "gamma")
        return replace(config, schedule="cosine")
    milestones = scheduler.wholes("milestones", (20_000, 40_000, 60_000), least=0, empty=True)
    scheduler.ignore("not read by MultiStepLR", "T_max", "eta_min")
    return replace(config, milestones=tuple(sorted(milestones)), gamma=scheduler.number("gamma", 0.1))


def _benchmarks(evaluator: Settings, name: str, tested: str, method: MethodConfig) -> tuple[Benchmark, ...]:
    function = evaluator.text("eval_func", INDOOR)
    metrics: dict[str, Distance] = {"euc": "euclidean", "cos": "cosine"}
    metric = metrics[evaluator.choice("metric", list(metrics), "euc")]
    rule = function
    if evaluator.flag("cross_view_gallery", False) and function == INDOOR:
        rule = CROSS
    if evaluator.flag("rerank", function == "HID_submission"):
        rule = f"{function} with rerank"
    evaluator.ignore("tests compute in float32", "enable_float16")
    evaluator.ignore("the checkpoint is the one that you name", "restore_hint", "restore_ckpt_strict", "save_name")
    evaluator.close()
    if tested == "gaitlu-1m":
        evaluator.notes.append(f"{evaluator.path} (nobody is named in {tested}, so there is no test)")
        return ()
    test = protocol(protocol_of(tested, rule))
    own = getattr(test, "distance", metric) or method.blueprint(1).distance  # a protocol of classes compares nothing
    distance = metric if own != metric else None
    return (Benchmark(protocol=test.name, data=None if tested == name else DataConfig(root=tested), distance=distance),)


def _rest(trainer: Settings) -> None:
    """What of trainer_cfg decides no number here."""
    if not trainer.flag("sync_BN", False):
        trainer.notes.append(f"{trainer.name('sync_BN')} (several processes always share batch norm's statistics)")
    if not trainer.flag("restore_ckpt_strict", True):
        trainer.notes.append(f"{trainer.name('restore_ckpt_strict')} (every entry of a checkpoint has to fit)")
    if trainer.raw("restore_hint", 0) != 0:
        trainer.notes.append(f"{trainer.name('restore_hint')} (the checkpoint is the one that you name)")
    if trainer.flag("with_test", False):
        trainer.notes.append(f"{trainer.name('with_test')} (tests come at the end; --validation and --train.evaluate-every for more)")
    trainer.ignore("nothing is unused, and timings are of no account", "find_unused_parameters", "profiling")
    trainer.close()
