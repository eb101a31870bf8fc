"""Supervised recognisers: the embedded demo, and the published settings of every recogniser on every data set it was published for.

Settings are those of the reference implementation of Fan et al. (OpenGait, CVPR 2023); a data set's folder of shards is
looked for in $GAITLAB_HOME/data under the data set's name. Steps are in thousands below.
"""

from dataclasses import replace

from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitgl import GaitGLConfig
from gaitlab.backbones.gaitpart import GaitPartConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.backbones.plain import PlainConfig
from gaitlab.backbones.skeletongaitpp import SkeletonGaitPPConfig
from gaitlab.backbones.smplgait import SMPLGaitConfig
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment, OptimConfig, TrainConfig, Transfer, parts
from gaitlab.method import MethodConfig
from gaitlab.methods.gaitssb import GaitSSBConfig, GaitSSBFinetuneConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import Augment, ClipSpec
from gaitlab.walkers import presets

DEMO = Experiment(
    name="demo",
    method=SupervisedConfig(
        backbone=GaitBaseConfig(channels=(16, 32, 64, 128), stem_stride=2, bins=(8,)),
        clip=ClipSpec(frames=6, order="unordered", augment=Augment(flip=0.5)),
        embedding=64,
        triplet_on="normalised",
        embed_from="normalised",
    ),
    data=DataConfig(root="walkers-demo", make=presets.DEMO),
    optim=OptimConfig(name="adamw", lr=2e-3, weight_decay=1e-2, schedule="cosine", warmup=50),
    train=TrainConfig(steps=2500, precision="auto", log_every=50, checkpoint_every=250),
    benchmarks=(Benchmark(protocol="walkers"),),
)
"""GaitBase at a quarter of its width on the embedded walkers: minutes on two cores."""


# -- recognisers -------------------------------------------------------------------------------------------------------

MIXED = Augment(perspective=0.2, flip=0.2, rotate=0.2)
ORDERED = ClipSpec(order="ordered", augment=MIXED)
DEEP = (1, 4, 4, 1)
"""Blocks of each stage on the data sets in the wild."""

GAITSET = SupervisedConfig(backbone=GaitSetConfig(), clip=ClipSpec(), neck="none")
GAITSET_WIDE = replace(GAITSET, backbone=GaitSetConfig(channels=(64, 128, 256)))
GAITPART = SupervisedConfig(backbone=GaitPartConfig(), clip=ClipSpec(order="ordered", skip=10), embedding=128, neck="none")
GAITPART_WIDE = replace(
    GAITPART,
    backbone=GaitPartConfig(channels=(32, 32, 64, 64, 128, 128, 256, 256), strips=(1, 1, 1, 1, 8, 8, 8, 8)),
    embedding=256,
)
GAITGL = SupervisedConfig(
    backbone=GaitGLConfig(),
    clip=ClipSpec(order="ordered", skip=0),
    embedding=128,
    neck="shared",
    triplet_on="normalised",
    embed_from="normalised",
    scale=1.0,
    smoothing=0.0,
)
GAITGL_WIDE = replace(
    GAITGL,
    backbone=GaitGLConfig(stem=(32, 32), channels=(64, 64, 128, 128, 256, 256), pool_after=2, strips=2),
    embedding=256,
    smoothing=0.1,
)
PLAIN_HID = SupervisedConfig(
    backbone=PlainConfig(channels=(64, 64, 128, 128, 256, 256, 512, 512), strips=(1,) * 8, pool_after=(2, 4, 6)),
    clip=ClipSpec(width=88),
    identity_weight=0.1,
)
"""Three max-pools and 16 strips need silhouettes of 128x128 (`--size 128` at ingest)."""
SMPLGAIT = SupervisedConfig(backbone=SMPLGaitConfig(), identity_weight=0.1)
GAITBASE = SupervisedConfig(backbone=GaitBaseConfig(), clip=ClipSpec(augment=Augment(rotate=0.3, erase=0.3)))
GAITBASE_CROP = replace(GAITBASE, clip=ClipSpec())
DEEPGAITV2 = SupervisedConfig(backbone=DeepGaitV2Config(), clip=ORDERED)
LIDARGAIT = SupervisedConfig(backbone=GaitBaseConfig(in_channels=3), clip=ClipSpec(modality="depth", frames=10, width=None))
SKELETONGAIT = SupervisedConfig(backbone=DeepGaitV2Config(in_channels=2), clip=replace(ORDERED, modality="skeleton"))
SKELETONGAITPP = SupervisedConfig(backbone=SkeletonGaitPPConfig(), clip=ORDERED)
SCONET = SupervisedConfig(backbone=GaitBaseConfig(), classes=("negative", "neutral", "positive"), embed_from="logits")


# -- optimisers and data -----------------------------------------------------------------------------------------------


def _sgd(*milestones: int, lr: float = 0.1, weight_decay: float = 5e-4) -> OptimConfig:
    return OptimConfig(name="sgd", lr=lr, weight_decay=weight_decay, milestones=tuple(1000 * m for m in milestones))


def _adam(*milestones: int, weight_decay: float = 0.0) -> OptimConfig:
    return OptimConfig(name="adam", lr=1e-4, weight_decay=weight_decay, milestones=tuple(1000 * m for m in milestones))


def _published(
    name: str, data: str, method: MethodConfig, p: int, k: int, optim: OptimConfig, thousands: int, *protocols: str
) -> Experiment:
    """`name` on the shards `data`, P x K walks a batch; tested by the data set's own protocol unless others are named."""
    return Experiment(
        name=f"{name}-{data}",
        method=method,
        data=DataConfig(root=data, subjects_per_batch=p, walks_per_subject=k),
        optim=optim,
        train=TrainConfig(steps=1000 * thousands, precision="float16"),
        benchmarks=tuple(Benchmark(protocol=protocol) for protocol in protocols or (data,)),
    )


def _deep(method: SupervisedConfig) -> SupervisedConfig:
    return replace(method, backbone=replace(method.backbone, layers=DEEP))  # type: ignore[call-arg]


def _frames(method: SupervisedConfig, frames: int | tuple[int, int], **clip: object) -> SupervisedConfig:
    return replace(method, clip=replace(method.clip, frames=frames, **clip))  # type: ignore[arg-type]


# -- experiments -------------------------------------------------------------------------------------------------------

GAITSET_CASIA_B = _published("gaitset", "casia-b", GAITSET, 8, 16, _sgd(10, 20, 30), 40)
GAITBASE_CASIA_B = _published("gaitbase", "casia-b", GAITBASE, 8, 16, _sgd(20, 40, 50), 60)
DEEPGAITV2_CASIA_B = _published("deepgaitv2", "casia-b", DEEPGAITV2, 8, 16, _sgd(20, 40, 50), 60)
GAITBASE_GAIT3D = _published("gaitbase", "gait3d", _frames(GAITBASE, (10, 50), augment=MIXED), 32, 4, _sgd(20, 40, 50), 60)
DEEPGAITV2_GAIT3D = _published("deepgaitv2", "gait3d", _deep(DEEPGAITV2), 32, 4, _sgd(20, 40, 50), 60)
DEEPGAITV2_SUSTECH1K = _published("deepgaitv2", "sustech1k", _frames(DEEPGAITV2, 10), 8, 8, _sgd(20, 30, 40), 50)

GREW = ("grew", "grew-submission")
_PUBLISHED = (
    GAITSET_CASIA_B, GAITBASE_CASIA_B, DEEPGAITV2_CASIA_B, GAITBASE_GAIT3D, DEEPGAITV2_GAIT3D, DEEPGAITV2_SUSTECH1K,
    _published("gaitset", "oumvlp", GAITSET_WIDE, 32, 16, _adam(150), 250),
    _published("gaitset", "grew", GAITSET_WIDE, 32, 4, _adam(150), 250, *GREW),
    _published("gaitset", "casia-e", GAITSET_WIDE, 8, 32, _sgd(20, 40, 50), 60),
    _published("gaitpart", "casia-b", GAITPART, 8, 16, _adam(100), 120),
    _published("gaitpart", "oumvlp", GAITPART_WIDE, 32, 16, _adam(150), 250),
    _published("gaitpart", "grew", GAITPART_WIDE, 32, 4, _adam(150), 250, *GREW),
    _published("gaitpart", "casia-e", GAITPART_WIDE, 8, 32, _adam(100), 120),
    _published("gaitgl", "casia-b", GAITGL, 8, 8, _adam(70, weight_decay=5e-4), 80),
    _published("gaitgl", "oumvlp", GAITGL_WIDE, 32, 8, _adam(150, 200), 210),
    _published("gaitgl", "grew", GAITGL_WIDE, 32, 4, _adam(150, 200), 250, *GREW),
    _published("smplgait", "gait3d", SMPLGAIT, 32, 4, _sgd(20, 40, 50), 60),
    _published("plain", "hid", PLAIN_HID, 16, 8, _sgd(20, 40), 60),
    _published("gaitbase", "oumvlp", GAITBASE_CROP, 32, 8, _sgd(60, 80, 100), 120),
    _published("gaitbase", "grew", _frames(GAITBASE, (20, 40), augment=MIXED), 32, 4, _sgd(80, 120, 150), 180, *GREW),
    _published("gaitbase", "ccpg", GAITBASE_CROP, 8, 16, _sgd(20, 40, 50), 60, "ccpg", "ccpg-reid"),
    _published("gaitbase", "casia-e", GAITBASE_CROP, 8, 32, _sgd(20, 40, 50), 60),
    _published("deepgaitv2", "oumvlp", DEEPGAITV2, 32, 8, _sgd(60, 80, 100), 120),
    _published("deepgaitv2", "grew", _deep(DEEPGAITV2), 32, 4, _sgd(80, 120, 150), 180, *GREW),
    _published("deepgaitv2", "ccpg", DEEPGAITV2, 8, 16, _sgd(20, 40, 50), 60, "ccpg", "ccpg-reid"),
    _published("lidargait", "sustech1k", LIDARGAIT, 8, 8, _sgd(20, 30), 40),
    _published("skeletongait", "gait3d", _deep(SKELETONGAIT), 32, 4, _sgd(20, 30, 40), 60),
    _published("skeletongait", "grew", _deep(SKELETONGAIT), 32, 4, _sgd(80, 120, 150), 180, *GREW),
    _published("skeletongait", "ccpg", replace(SKELETONGAIT, embed_from="normalised"), 8, 16, _sgd(20, 30, 40), 60, "ccpg", "ccpg-reid"),
    _published("skeletongait", "sustech1k", _frames(SKELETONGAIT, 10, order="unordered"), 8, 8, _sgd(20, 30, 40), 50),
    _published("skeletongaitpp", "gait3d", _deep(SKELETONGAITPP), 32, 4, _sgd(20, 30, 40), 60),
    _published("skeletongaitpp", "grew", _deep(SKELETONGAITPP), 32, 4, _sgd(80, 120, 150), 180, *GREW),
    _published("skeletongaitpp", "ccpg", SKELETONGAITPP, 8, 16, _sgd(20, 30, 40), 60, "ccpg", "ccpg-reid"),
    _published("skeletongaitpp", "sustech1k", _frames(SKELETONGAITPP, 10), 8, 8, _sgd(20, 30, 40), 50),
    _published("sconet", "scoliosis1k", SCONET, 8, 8, _sgd(10, 14, 18), 20),
)  # fmt: skip

GAITSSB_GAITLU = Experiment(
    name="gaitssb-gaitlu-1m",
    method=GaitSSBConfig(),
    data=DataConfig(root="gaitlu-1m", subjects_per_batch=8, walks_per_subject=64, draw="walks"),
    optim=_sgd(80, 120, lr=0.05),
    train=TrainConfig(steps=150_000, precision="float16"),
)
"""Pretraining without labels; 512 walks a batch, two clips of each. There is no test of its own: fine-tune it, or `evaluate.py` it."""

GAITSSB_CASIA_B = replace(
    _published("gaitssb", "casia-b", GaitSSBFinetuneConfig(), 8, 16, replace(_sgd(6, 8, 10), least_lr=1e-4), 12),
    init=(Transfer(of=GAITSSB_GAITLU, parts=parts("backbone", "projector")),),
)
"""Fine-tuning; the pretraining is run first, unless `--init RUN` names one."""

ALL = {experiment.name: experiment for experiment in (DEMO, *_PUBLISHED, GAITSSB_GAITLU, GAITSSB_CASIA_B)}
