"""`model_cfg` and `loss_cfg` of an OpenGait YAML -> our configuration. Whatever is not understood is a ValueError that names it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitgl import GaitGLConfig
from gaitlab.backbones.gaitpart import GaitPartConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.backbones.plain import PlainConfig
from gaitlab.backbones.skeletongaitpp import SkeletonGaitPPConfig
from gaitlab.backbones.smplgait import SMPLGaitConfig
from gaitlab.method import MethodConfig
from gaitlab.methods.gaitssb import GaitSSBConfig, GaitSSBFinetuneConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import ClipSpec

Shapes = Mapping[str, Sequence[int]]
"""Name -> shape of a checkpoint's entries; empty where there is no checkpoint."""

SCOLIOSIS = ("negative", "neutral", "positive")
"""ScoNet's classes, in its order."""

PYRAMID = (16, 8, 4, 2, 1)
"""GaitSSB's bins: its configuration gives their sum only."""


class UnknownModel(ValueError):
    """A network of OpenGait that gaitlab does not have."""


def from_peer(
    model_cfg: Mapping[str, Any], loss_cfg: Sequence[Mapping[str, Any]], *, clip: ClipSpec | None = None, shapes: Shapes | None = None
) -> MethodConfig:
    """`model_cfg` and `loss_cfg` of an OpenGait YAML -> our configuration. `peer_subjects` gives the number of classes.

    shapes: of the checkpoint's entries, for what the YAML leaves open (widths of heads that OpenGait hard-wires, GaitGL's layout).
    """
    cfg = dict(model_cfg)
    model = str(cfg.pop("model", None))
    if model in _OTHERS:
        config = _OTHERS[model](cfg, loss_cfg, clip, shapes or {})
    elif model in _BACKBONES:
        config = _supervised(model, cfg, loss_cfg, clip or ClipSpec(), shapes or {})
    else:
        raise UnknownModel(f"model_cfg.model is {model!r}; this gaitlab reads {', '.join([*_BACKBONES, *_OTHERS])}")
    _nothing_left(cfg, "model_cfg")
    return config


def peer_subjects(model_cfg: Mapping[str, Any]) -> int:
    """Number of training identities, 0 where the network has no classifier."""
    return int(model_cfg.get("SeparateBNNecks", {}).get("class_num", model_cfg.get("class_num", 0)))


# -- supervised recognisers --------------------------------------------------------------------------------------------


def _supervised(model: str, cfg: dict[str, Any], loss_cfg: Sequence[Mapping[str, Any]], clip: ClipSpec, shapes: Shapes) -> SupervisedConfig:
    classes: tuple[str, ...] = ()
    if model == "ScoNet":
        count = peer_subjects(cfg)
        classes = SCOLIOSIS if count == len(SCOLIOSIS) else tuple(f"class-{i}" for i in range(count))
    backbone, embedding = _BACKBONES[model](cfg, shapes)
    neck = "none"
    if "SeparateBNNecks" in cfg:
        _leftover(cfg.pop("SeparateBNNecks"), "model_cfg.SeparateBNNecks", "class_num", "in_channels", "parts_num")
        neck = "bnneck"
    elif model == "GaitGL":
        neck = "shared"
    cfg.pop("class_num", None)
    behind_neck = cfg.pop("use_emb2", False) or neck == "shared"
    return SupervisedConfig(
        backbone=backbone,
        clip=clip,
        embedding=embedding,
        neck=neck,  # type: ignore[arg-type]
        classes=classes,
        triplet_on="normalised" if neck == "shared" else "raw",
        embed_from="logits" if classes else "normalised" if behind_neck else "raw",
        self_distance="rounded",
        **_losses(loss_cfg, neck != "none"),
    )


def _gaitset(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    first, *widths = _take(cfg, "in_channels")
    if len(widths) != 3:
        raise ValueError(f"GaitSet's in_channels are the input's and three blocks'; got widths {widths}")
    a, b, c = widths
    return GaitSetConfig(in_channels=first, channels=(a, b, c), bins=tuple(_take(cfg, "bin_num"))), _embedding(cfg)


def _baseline(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    inner, bins = dict(_take(cfg, "backbone_cfg")), tuple(_take(cfg, "bin_num"))
    backbone = PlainConfig(**_plain(inner), bins=bins) if inner.get("type") == "Plain" else _resnet(inner, bins)
    return backbone, _embedding(cfg)


def _gaitpart(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    return GaitPartConfig(**_plain(dict(_take(cfg, "backbone_cfg"))), bins=tuple(_take(cfg, "bin_num"))), _embedding(cfg)


def _smplgait(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    return SMPLGaitConfig(**_plain(dict(_take(cfg, "backbone_cfg"))), bins=tuple(_take(cfg, "bin_num"))), _embedding(cfg)


def _gaitgl(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    """Three widths are CASIA-B's layout, four that of OU-MVLP and GREW (there, the data set's name decides)."""
    first, *widths = _take(cfg, "channels")
    in_channels = shapes["conv3d.0.conv3d.weight"][1] if shapes else 1
    height = shapes["Head0.fc_bin"][0] if shapes else 64
    deep = "conv3d.2.conv3d.weight" in shapes if shapes else len(widths) == 3
    needed = 3 if deep else 2
    if len(widths) < needed:
        raise ValueError(f"GaitGL's channels are {1 + needed} widths in this layout; got {[first, *widths]}")
    if deep:
        a, b, c = widths[:3]
        backbone = GaitGLConfig(
            in_channels=in_channels, height=height, stem=(first, first), channels=(a, a, b, b, c, c), pool_after=2, strips=2
        )
    else:
        a, b = widths[:2]
        backbone = GaitGLConfig(in_channels=in_channels, height=height, stem=(first,), channels=(a, b, b))
    return backbone, shapes["Head0.fc_bin"][2] if shapes else backbone.channels[-1]


def _deepgaitv2(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    inner = dict(_take(cfg, "Backbone"))
    backbone = DeepGaitV2Config(
        mode=_take(inner, "mode"),
        in_channels=_take(inner, "in_channels"),
        channels=tuple(_take(inner, "channels")),
        layers=tuple(_take(inner, "layers")),
    )
    _nothing_left(inner, "model_cfg.Backbone")
    return backbone, _hard_wired(shapes)


def _skeletongaitpp(cfg: dict[str, Any], shapes: Shapes) -> tuple[BackboneConfig, int]:
    inner = dict(_take(cfg, "Backbone"))
    unit, blocks, in_channels = (_take(inner, key) for key in ("C", "blocks", "in_channels"))
    _nothing_left(inner, "model_cfg.Backbone")
    stem, squeezed = (shapes[f"{name}.forward_block.0.weight"][0] if shapes else None for name in ("sil_layer0", "fusion.conv"))
    stem = stem or 32 * unit
    backbone = SkeletonGaitPPConfig(
        map_channels=in_channels - 1,
        channels=(stem, 64 * unit, 128 * unit, 256 * unit),
        layers=tuple(blocks),
        squeeze=stem // squeezed if squeezed else 16,
    )
    return backbone, _hard_wired(shapes)


def _resnet(cfg: dict[str, Any], bins: tuple[int, ...]) -> GaitBaseConfig:
    kind = cfg.pop("type", None)
    if kind != "ResNet9":
        raise UnknownModel(f"model_cfg.backbone_cfg.type is {kind!r}; this gaitlab reads ResNet9 and Plain")
    if cfg.pop("block", "BasicBlock") != "BasicBlock" or cfg.pop("maxpool", False):
        raise UnknownModel("model_cfg.backbone_cfg: only block BasicBlock without maxpool is known")
    config = GaitBaseConfig(
        channels=tuple(_take(cfg, "channels")),
        layers=tuple(_take(cfg, "layers")),
        strides=tuple(_take(cfg, "strides")),
        in_channels=cfg.pop("in_channel", 1),
        bins=bins,
    )
    _nothing_left(cfg, "model_cfg.backbone_cfg")
    return config


def _plain(cfg: dict[str, Any]) -> dict[str, Any]:
    """Fields of PlainConfig from the list of layers: BC-width, FC-width-k (2^k strips), M (max-pool)."""
    if cfg.pop("type", "Plain") != "Plain":
        raise UnknownModel("model_cfg.backbone_cfg.type: this network takes Plain")
    channels: list[int] = []
    strips: list[int] = []
    pool_after: list[int] = []
    for layer in _take(cfg, "layers_cfg"):
        kind, *numbers = str(layer).split("-")
        known = {"BC": 1, "FC": 2, "M": 0}
        if len(numbers) != known.get(kind) or not all(number.isdigit() for number in numbers):
            raise ValueError(f"model_cfg.backbone_cfg.layers_cfg: {layer!r} not understood; known are BC-64, FC-64-2 and M")
        if kind == "M":
            pool_after.append(len(channels))
        else:
            channels.append(int(numbers[0]))
            strips.append(2 ** int(numbers[1]) if kind == "FC" else 1)
    in_channels = cfg.pop("in_channels", 1)
    _nothing_left(cfg, "model_cfg.backbone_cfg")
    return {"in_channels": in_channels, "channels": tuple(channels), "strips": tuple(strips), "pool_after": tuple(pool_after)}


def _embedding(cfg: dict[str, Any]) -> int:
    fc = dict(_take(cfg, "SeparateFCs"))
    width = int(_take(fc, "out_channels"))
    _leftover(fc, "model_cfg.SeparateFCs", "in_channels", "parts_num")
    return width


def _hard_wired(shapes: Shapes) -> int:
    """Embedding width of the networks whose configuration has none."""
    return shapes["FCs.fc_bin"][2] if shapes else 256


def _losses(loss_cfg: Sequence[Mapping[str, Any]], neck: bool) -> dict[str, Any]:
    """SupervisedConfig's loss fields; a term that is absent has weight 0."""
    fields: dict[str, Any] = {"triplet_weight": 0.0, "identity_weight": 0.0}
    for term in map(dict, loss_cfg):
        kind, weight = term.pop("type", None), float(term.pop("loss_term_weight", 1.0))
        term.pop("log_prefix", None)
        term.pop("log_accuracy", None)
        if kind == "TripletLoss":
            fields |= {"triplet_weight": weight, "margin": float(_take(term, "margin"))}
        elif kind == "CrossEntropyLoss" and neck:
            smoothing = float(term.pop("eps", 0.1))
            smoothing = smoothing if term.pop("label_smooth", True) else 0.0
            fields |= {"identity_weight": weight, "scale": float(term.pop("scale", 16)), "smoothing": smoothing}
        else:
            raise ValueError(f"loss_cfg: type {kind!r} is not known for this model; TripletLoss is, and CrossEntropyLoss behind BN necks")
        _nothing_left(term, f"loss_cfg ({kind})")
    return fields


# -- GaitSSB -----------------------------------------------------------------------------------------------------------


def _gaitssb(cfg: dict[str, Any], loss_cfg: Sequence[Mapping[str, Any]], clip: ClipSpec | None, shapes: Shapes) -> GaitSSBConfig:
    fields: dict[str, Any] = {"backbone": _gaitssb_backbone(cfg)} | ({"clip": clip} if clip else {})
    for term in map(dict, loss_cfg):
        if (kind := term.pop("type", None)) != "CrossEntropyLoss" or float(term.pop("loss_term_weight", 1.0)) != 1.0:
            raise ValueError(f"loss_cfg: GaitSSB_Pretrain has cross-entropies of weight 1 only; got {kind!r}")
        smoothing = float(term.pop("eps", 0.1)) if term.pop("label_smooth", True) else 0.0
        fields |= {"scale": float(term.pop("scale", 16)), "smoothing": smoothing}
        _leftover(term, f"loss_cfg ({kind})", "log_prefix", "log_accuracy")
    hidden, embedding = (shapes[f"predictor.{i}.fc_bin"][2] if shapes else 512 for i in (0, 3))
    return GaitSSBConfig(**fields, hidden=hidden, embedding=embedding)


def _gaitssb_finetune(
    cfg: dict[str, Any], loss_cfg: Sequence[Mapping[str, Any]], clip: ClipSpec | None, shapes: Shapes
) -> GaitSSBFinetuneConfig:
    fields: dict[str, Any] = {"backbone": _gaitssb_backbone(cfg)} | ({"clip": clip} if clip else {})
    if "backbone_lr" in cfg:
        fields["stage_lr"] = tuple(float(lr) for lr in cfg.pop("backbone_lr"))
    if "projector_lr" in cfg:
        fields["projector_lr"] = float(cfg.pop("projector_lr"))
    losses = _losses(loss_cfg, neck=False)
    if losses.pop("triplet_weight") != 1.0:
        raise ValueError("loss_cfg: GaitSSB_Finetune has one TripletLoss of weight 1")
    hidden, projection, embedding = (
        shapes[name][2] if shapes else 512 for name in ("projector.0.fc_bin", "projector.3.fc_bin", "head0.fc_bin")
    )
    return GaitSSBFinetuneConfig(
        **fields, hidden=hidden, projection=projection, embedding=embedding, margin=losses["margin"], freeze_norms=False,
        self_distance="rounded",
    )  # fmt: skip


def _gaitssb_backbone(cfg: dict[str, Any]) -> GaitBaseConfig:
    backbone = _resnet(dict(_take(cfg, "backbone_cfg")), PYRAMID)
    if (parts := int(_take(cfg, "parts_num"))) != sum(PYRAMID):
        raise ValueError(f"model_cfg.parts_num is {parts}; GaitSSB's pyramid has {sum(PYRAMID)}")
    return backbone


# -- the readers -------------------------------------------------------------------------------------------------------

_BACKBONES: dict[str, Callable[[dict[str, Any], Shapes], tuple[BackboneConfig, int]]] = {
    "GaitSet": _gaitset,
    "GaitPart": _gaitpart,
    "GaitGL": _gaitgl,
    "Baseline": _baseline,
    "SMPLGait": _smplgait,
    "DeepGaitV2": _deepgaitv2,
    "SkeletonGaitPP": _skeletongaitpp,
    "ScoNet": _baseline,
}
"""OpenGait's name -> what reads the backbone and the embedding's width out of a configuration."""

_OTHERS: dict[str, Callable[[dict[str, Any], Sequence[Mapping[str, Any]], ClipSpec | None, Shapes], MethodConfig]] = {
    "GaitSSB_Pretrain": _gaitssb,
    "GaitSSB_Finetune": _gaitssb_finetune,
}


def _take(cfg: dict[str, Any], key: str) -> Any:
    if key not in cfg:
        raise ValueError(f"the configuration lacks {key!r}; it has {', '.join(map(str, cfg)) or 'nothing else'}")
    return cfg.pop(key)


def _leftover(cfg: Mapping[str, Any], where: str, *known: str) -> None:
    """Nothing but `known`, which other values imply."""
    _nothing_left({key: value for key, value in cfg.items() if key not in known}, where)


def _nothing_left(cfg: Mapping[str, Any], where: str) -> None:
    if cfg:
        raise ValueError(f"{where}: {', '.join(map(repr, cfg))} not understood")
