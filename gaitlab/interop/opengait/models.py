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
from gaitlab.interop.opengait.settings import Settings
from gaitlab.method import MethodConfig
from gaitlab.methods.gaitssb import GaitSSBConfig, GaitSSBFinetuneConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import ClipSpec

Shapes = Mapping[str, Sequence[int]]
"""Name -> shape of a checkpoint's entries; empty where there is no checkpoint. It may be one of another network: what is read off it
has a default, and `load_state` names what does not fit."""

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
    top = Settings({"model_cfg": model_cfg, "loss_cfg": loss_cfg}, "", [])
    cfg, losses = top.inner("model_cfg"), top.levels("loss_cfg")
    model = cfg.text("model")
    if model in _OTHERS:
        return _OTHERS[model](cfg, losses, clip, shapes or {})
    if model in _BACKBONES:
        return _supervised(model, cfg, losses, clip or ClipSpec(), shapes or {})
    raise UnknownModel(f"{cfg.name('model')} is {model!r}; this gaitlab reads {', '.join([*_BACKBONES, *_OTHERS])}")


def peer_subjects(model_cfg: Mapping[str, Any]) -> int:
    """Number of training identities, 0 where the network has no classifier."""
    cfg = Settings(model_cfg, "model_cfg", [])
    own = _class_num(cfg)
    return _class_num(cfg.inner("SeparateBNNecks", {})) or own


# -- supervised recognisers --------------------------------------------------------------------------------------------


def _supervised(model: str, cfg: Settings, losses: list[Settings], clip: ClipSpec, shapes: Shapes) -> SupervisedConfig:
    backbone, embedding = _BACKBONES[model](cfg, shapes)
    neck = "shared" if model == "GaitGL" else "none"
    count = _class_num(cfg)
    if model == "ScoNet" or cfg.has("SeparateBNNecks"):
        necks, neck = cfg.inner("SeparateBNNecks"), "bnneck"
        count = necks.whole("class_num") if model == "ScoNet" else _class_num(necks) or count
        _implied(necks, "in_channels", "parts_num")
    classes: tuple[str, ...] = ()
    if model == "ScoNet":
        classes = SCOLIOSIS if count == len(SCOLIOSIS) else tuple(f"class-{i}" for i in range(count))
    behind_neck = cfg.flag("use_emb2", False) or neck == "shared"
    if behind_neck and neck == "none":
        raise ValueError(f"{cfg.name('use_emb2')}: this network has no second embedding without SeparateBNNecks: leave it out")
    cfg.close()
    return SupervisedConfig(
        backbone=backbone,
        clip=clip,
        embedding=embedding,
        neck=neck,  # type: ignore[arg-type]
        classes=classes,
        triplet_on="normalised" if neck == "shared" else "raw",
        embed_from="logits" if classes else "normalised" if behind_neck else "raw",
        self_distance="rounded",
        **_losses(losses, neck != "none"),
    )


def _gaitset(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    first, a, b, c = cfg.wholes("in_channels", count=4)
    return GaitSetConfig(in_channels=first, channels=(a, b, c), bins=cfg.wholes("bin_num")), _embedding(cfg)


def _baseline(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    inner, bins = cfg.inner("backbone_cfg"), cfg.wholes("bin_num")
    kind = inner.text("type")
    return PlainConfig(**_plain(inner), bins=bins) if kind == "Plain" else _resnet(inner, kind, bins), _embedding(cfg)


def _gaitpart(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    return GaitPartConfig(**_only_plain(cfg), bins=cfg.wholes("bin_num")), _embedding(cfg)


def _smplgait(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    return SMPLGaitConfig(**_only_plain(cfg), bins=cfg.wholes("bin_num")), _embedding(cfg)


def _gaitgl(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    """Three widths are CASIA-B's layout, four that of OU-MVLP and GREW (there, the data set's name decides)."""
    first, *widths = cfg.wholes("channels")
    in_channels = _width(shapes, "conv3d.0.conv3d.weight", 1, 1)
    height = _width(shapes, "Head0.fc_bin", 0, 64)
    if len(widths) < 2:
        raise ValueError(
            f"{cfg.name('channels')} is {[first, *widths]}; GaitGL's are three widths, or four in the layout of OU-MVLP and GREW"
        )
    deep = "conv3d.2.conv3d.weight" in shapes if "conv3d.0.conv3d.weight" in shapes else len(widths) == 3
    if deep and len(widths) >= 3:
        a, b, c = widths[:3]
        backbone = GaitGLConfig(
            in_channels=in_channels, height=height, stem=(first, first), channels=(a, a, b, b, c, c), pool_after=2, strips=2
        )
    else:
        a, b = widths[:2]
        backbone = GaitGLConfig(in_channels=in_channels, height=height, stem=(first,), channels=(a, b, b))
    return backbone, _width(shapes, "Head0.fc_bin", 2, backbone.channels[-1])


def _deepgaitv2(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    inner = cfg.inner("Backbone")
    a, b, c, d = inner.wholes("channels", count=4)
    e, f, g, h = inner.wholes("layers", count=4)
    backbone = DeepGaitV2Config(
        mode=inner.choice("mode", ("2d", "p3d", "3d")),  # type: ignore[arg-type]
        in_channels=inner.whole("in_channels"),
        channels=(a, b, c, d),
        layers=(e, f, g, h),
    )
    inner.close()
    return backbone, _width(shapes, "FCs.fc_bin", 2, 256)


def _skeletongaitpp(cfg: Settings, shapes: Shapes) -> tuple[BackboneConfig, int]:
    inner = cfg.inner("Backbone")
    unit, in_channels = inner.whole("C"), inner.whole("in_channels", least=2)
    a, b, c, d = inner.wholes("blocks", count=4)
    inner.close()
    stem = _width(shapes, "sil_layer0.forward_block.0.weight", 0, 32 * unit)
    squeezed = _width(shapes, "fusion.conv.forward_block.0.weight", 0, max(1, stem // 16))
    backbone = SkeletonGaitPPConfig(
        map_channels=in_channels - 1,
        channels=(stem, 64 * unit, 128 * unit, 256 * unit),
        layers=(a, b, c, d),
        squeeze=max(1, stem // squeezed),
    )
    return backbone, _width(shapes, "FCs.fc_bin", 2, 256)


def _resnet(cfg: Settings, kind: str, bins: tuple[int, ...]) -> GaitBaseConfig:
    if kind != "ResNet9":
        raise UnknownModel(f"{cfg.name('type')} is {kind!r}; this gaitlab reads ResNet9 and Plain")
    if cfg.text("block", "BasicBlock") != "BasicBlock" or cfg.flag("maxpool", False):
        raise UnknownModel(f"{cfg.path}: only block BasicBlock without maxpool is known")
    channels = cfg.wholes("channels")
    config = GaitBaseConfig(
        channels=channels,
        layers=cfg.wholes("layers", count=len(channels)),
        strides=cfg.wholes("strides", count=len(channels)),
        in_channels=cfg.whole("in_channel", 1),
        bins=bins,
    )
    cfg.close()
    return config


def _only_plain(cfg: Settings) -> dict[str, Any]:
    inner = cfg.inner("backbone_cfg")
    if (kind := inner.text("type", "Plain")) != "Plain":
        raise UnknownModel(f"{inner.name('type')} is {kind!r}; this network takes Plain")
    return _plain(inner)


def _plain(cfg: Settings) -> dict[str, Any]:
    """Fields of PlainConfig from the list of layers: BC-width, FC-width-k (2^k strips), M (max-pool)."""
    channels: list[int] = []
    strips: list[int] = []
    pool_after: list[int] = []
    for i, layer in enumerate(cfg.words("layers_cfg")):
        kind, *numbers = layer.split("-")
        known = {"BC": 1, "FC": 2, "M": 0}
        if len(numbers) != known.get(kind) or not all(number.isdecimal() for number in numbers) or "0" in numbers[:1]:
            raise ValueError(f"{cfg.name('layers_cfg')}[{i}] is {layer!r}; known are e.g. BC-64, FC-64-2 and M")
        if kind == "M":
            pool_after.append(len(channels))
        else:
            channels.append(int(numbers[0]))
            strips.append(2 ** int(numbers[1]) if kind == "FC" else 1)
    if not channels:
        raise ValueError(f"{cfg.name('layers_cfg')} has no convolution; it takes e.g. [BC-64, BC-64, M]")
    in_channels = cfg.whole("in_channels", 1)
    cfg.close()
    return {"in_channels": in_channels, "channels": tuple(channels), "strips": tuple(strips), "pool_after": tuple(pool_after)}


def _embedding(cfg: Settings) -> int:
    fc = cfg.inner("SeparateFCs")
    width = fc.whole("out_channels")
    _implied(fc, "in_channels", "parts_num")
    return width


def _losses(terms: list[Settings], neck: bool) -> dict[str, Any]:
    """SupervisedConfig's loss fields; a term that is absent has weight 0."""
    fields: dict[str, Any] = {"triplet_weight": 0.0, "identity_weight": 0.0}
    seen: list[str] = []
    for term in terms:
        kind, weight = term.text("type"), term.number("loss_term_weight", 1.0, least=0.0)
        if kind in seen:
            raise ValueError(f"{term.name('type')} is {kind} once more; a network learns by one loss of each type: leave one out")
        if kind == "TripletLoss":
            fields |= {"triplet_weight": weight, "margin": term.number("margin")}
        elif kind == "CrossEntropyLoss" and neck:
            fields |= {"identity_weight": weight, **_cross_entropy(term)}
        else:
            raise ValueError(f"{term.name('type')} is {kind!r}; this network takes TripletLoss, and CrossEntropyLoss behind BN necks")
        _logged(term)
        seen.append(kind)
    if not fields["triplet_weight"] and not fields["identity_weight"]:
        also = ", a CrossEntropyLoss or both" if neck else ""
        raise ValueError(f"loss_cfg trains nothing; this network takes a TripletLoss{also}, e.g. '- {{type: TripletLoss, margin: 0.2}}'")
    return fields


def _cross_entropy(term: Settings) -> dict[str, Any]:
    """Scale and smoothing; `eps` counts where `label_smooth` is true only."""
    smooth, eps = term.flag("label_smooth", True), term.number("eps", 0.1, least=0.0, most=1.0)
    return {"scale": term.number("scale", 16.0), "smoothing": eps if smooth else 0.0}


def _logged(term: Settings) -> None:
    """What a loss says about its log, and nothing else."""
    term.text("log_prefix", "")
    term.flag("log_accuracy", False)
    term.close()


# -- GaitSSB -----------------------------------------------------------------------------------------------------------


def _gaitssb(cfg: Settings, losses: list[Settings], clip: ClipSpec | None, shapes: Shapes) -> GaitSSBConfig:
    fields: dict[str, Any] = {"backbone": _gaitssb_backbone(cfg)} | ({"clip": clip} if clip else {})
    cfg.close()
    settings: list[dict[str, Any]] = []
    for term in losses:
        if (kind := term.text("type")) != "CrossEntropyLoss":
            raise ValueError(f"{term.name('type')} is {kind!r}; GaitSSB_Pretrain takes CrossEntropyLoss only")
        if (weight := term.number("loss_term_weight", 1.0)) != 1.0:
            raise ValueError(f"{term.name('loss_term_weight')} is {weight}; GaitSSB_Pretrain's cross-entropies have weight 1: leave it out")
        settings.append(_cross_entropy(term))
        _logged(term)
        if len(settings) > 2 or settings[-1] != settings[0]:
            raise ValueError(
                f"{term.path}: GaitSSB_Pretrain has two cross-entropies, which are alike: the same scale, label_smooth and eps"
            )
    hidden, embedding = (_width(shapes, f"predictor.{i}.fc_bin", 2, 512) for i in (0, 3))
    return GaitSSBConfig(**fields, **(settings[0] if settings else {}), hidden=hidden, embedding=embedding)


def _gaitssb_finetune(cfg: Settings, losses: list[Settings], clip: ClipSpec | None, shapes: Shapes) -> GaitSSBFinetuneConfig:
    fields: dict[str, Any] = {"backbone": _gaitssb_backbone(cfg)} | ({"clip": clip} if clip else {})
    if cfg.has("backbone_lr"):
        fields["stage_lr"] = cfg.numbers("backbone_lr", count=len(fields["backbone"].channels))
    if cfg.has("projector_lr"):
        fields["projector_lr"] = cfg.number("projector_lr", least=0.0)
    cfg.close()
    terms = _losses(losses, neck=False)
    if (weight := terms["triplet_weight"]) != 1.0:
        raise ValueError(
            f"{losses[0].name('loss_term_weight')} is {weight}; GaitSSB_Finetune has one TripletLoss of weight 1: leave it out"
        )
    hidden, projection, embedding = (_width(shapes, name, 2, 512) for name in ("projector.0.fc_bin", "projector.3.fc_bin", "head0.fc_bin"))
    return GaitSSBFinetuneConfig(
        **fields, hidden=hidden, projection=projection, embedding=embedding, margin=terms["margin"], freeze_norms=False,
        self_distance="rounded",
    )  # fmt: skip


def _gaitssb_backbone(cfg: Settings) -> GaitBaseConfig:
    inner = cfg.inner("backbone_cfg")
    backbone = _resnet(inner, inner.text("type"), PYRAMID)
    if (parts := cfg.whole("parts_num")) != sum(PYRAMID):
        raise ValueError(f"{cfg.name('parts_num')} is {parts}; GaitSSB's pyramid has {sum(PYRAMID)}")
    return backbone


# -- the readers -------------------------------------------------------------------------------------------------------

_BACKBONES: dict[str, Callable[[Settings, Shapes], tuple[BackboneConfig, int]]] = {
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

_OTHERS: dict[str, Callable[[Settings, list[Settings], ClipSpec | None, Shapes], MethodConfig]] = {
    "GaitSSB_Pretrain": _gaitssb,
    "GaitSSB_Finetune": _gaitssb_finetune,
}


def _class_num(cfg: Settings) -> int:
    return cfg.whole("class_num") if cfg.has("class_num") else 0


def _implied(cfg: Settings, *known: str) -> None:
    """Nothing but `known`, numbers which other values imply."""
    for key in known:
        cfg.whole(key, 1)
    cfg.close()


def _width(shapes: Shapes, name: str, axis: int, default: int) -> int:
    """A length in a checkpoint; the default where it has no such entry."""
    shape = shapes.get(name, ())
    return (shape[axis] if axis < len(shape) else 0) or default
