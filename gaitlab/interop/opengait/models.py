"""`model_cfg` and `loss_cfg` of an OpenGait YAML -> our configuration. Whatever is not understood is a ValueError that names it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.types import ClipSpec


class UnknownModel(ValueError):
    """A network of OpenGait that gaitlab does not have yet."""


def from_peer(
    model_cfg: Mapping[str, Any],
    loss_cfg: Sequence[Mapping[str, Any]],
    *,
    clip: ClipSpec | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> SupervisedConfig:
    """`model_cfg` and `loss_cfg` of an OpenGait YAML -> our configuration. `peer_subjects` gives the number of classes.

    shapes: name -> shape of the checkpoint's entries, for what the YAML leaves open (DeepGaitV2's embedding width, else 256).
    """
    cfg = dict(model_cfg)
    model = cfg.pop("model", None)
    embed_from = "raw"
    backbone: BackboneConfig
    if model == "GaitSet":
        first, *widths = _take(cfg, "in_channels")
        backbone = GaitSetConfig(in_channels=first, channels=_triple(widths), bins=tuple(_take(cfg, "bin_num")))
        embedding = _embedding(cfg)
    elif model == "Baseline":
        backbone = _resnet(dict(_take(cfg, "backbone_cfg")), tuple(_take(cfg, "bin_num")))
        embedding = _embedding(cfg)
    elif model == "DeepGaitV2":
        inner = dict(_take(cfg, "Backbone"))
        backbone = DeepGaitV2Config(
            mode=_take(inner, "mode"),
            in_channels=_take(inner, "in_channels"),
            channels=tuple(_take(inner, "channels")),
            layers=tuple(_take(inner, "layers")),
        )
        _nothing_left(inner, "model_cfg.Backbone")
        embedding = shapes["FCs.fc_bin"][2] if shapes else 256
        embed_from = "normalised" if cfg.pop("use_emb2", False) else "raw"
    else:
        raise UnknownModel(f"model_cfg.model is {model!r}; this gaitlab reads GaitSet, Baseline with ResNet9, and DeepGaitV2")
    neck = dict(cfg.pop("SeparateBNNecks", {}))
    has_neck = bool(neck)
    for known in ("class_num", "in_channels", "parts_num"):
        neck.pop(known, None)
    _nothing_left(neck, "model_cfg.SeparateBNNecks")
    _nothing_left(cfg, "model_cfg")
    return SupervisedConfig(
        backbone=backbone,
        clip=clip or ClipSpec(),
        embedding=embedding,
        neck=has_neck,
        embed_from="normalised" if embed_from == "normalised" else "raw",
        self_distance="rounded",
        **_losses(loss_cfg, has_neck),
    )


def peer_subjects(model_cfg: Mapping[str, Any]) -> int:
    """Number of training identities, 0 where the network has no classifier."""
    return int(model_cfg.get("SeparateBNNecks", {}).get("class_num", 0))


def _resnet(cfg: dict[str, Any], bins: tuple[int, ...]) -> GaitBaseConfig:
    kind = cfg.pop("type", None)
    if kind != "ResNet9":
        raise UnknownModel(f"model_cfg.backbone_cfg.type is {kind!r}; this gaitlab reads Baseline with ResNet9")
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


def _embedding(cfg: dict[str, Any]) -> int:
    fc = dict(_take(cfg, "SeparateFCs"))
    width = int(_take(fc, "out_channels"))
    for known in ("in_channels", "parts_num"):
        fc.pop(known, None)
    _nothing_left(fc, "model_cfg.SeparateFCs")
    return width


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


def _take(cfg: dict[str, Any], key: str) -> Any:
    if key not in cfg:
        raise ValueError(f"the configuration lacks {key!r}; it has {', '.join(map(str, cfg)) or 'nothing else'}")
    return cfg.pop(key)


def _nothing_left(cfg: Mapping[str, Any], where: str) -> None:
    if cfg:
        raise ValueError(f"{where}: {', '.join(map(repr, cfg))} not understood")


def _triple(widths: Sequence[int]) -> tuple[int, int, int]:
    if len(widths) != 3:
        raise ValueError(f"GaitSet's in_channels are the input's and three blocks'; got widths {list(widths)}")
    return widths[0], widths[1], widths[2]
