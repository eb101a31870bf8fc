"""OpenGait's configurations and checkpoints (part one: GaitSet, Baseline with ResNet9, DeepGaitV2).

`from_peer` reads a `model_cfg` and its losses, `load_checkpoint` a `.pt`, `load_state` puts the weights into our network and
`export_state` gives them back under OpenGait's names. Whatever is not understood is a ValueError that names it.
"""

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gaitlab.backbones.backbone import Backbone, BackboneConfig
from gaitlab.backbones.deepgaitv2 import DeepGaitV2, DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBase, GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSet, GaitSetConfig
from gaitlab.methods.supervised import Supervised, SupervisedConfig
from gaitlab.nn.blocks import Block2D, BlockP3D, Stage
from gaitlab.types import ClipSpec


class UnknownModel(ValueError):
    """A network of OpenGait that gaitlab does not have yet."""


# -- configuration -----------------------------------------------------------------------------------------------------


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


# -- weights -----------------------------------------------------------------------------------------------------------

GAITSET = [
    (r"backbone\.block(\d)\.conv1\.", r"set_block\1.forward_block.0.conv."),
    (r"backbone\.block(\d)\.conv2\.", r"set_block\1.forward_block.2.conv."),
    (r"backbone\.global(\d)\.conv1\.", r"gl_block\1.0.conv."),
    (r"backbone\.global(\d)\.conv2\.", r"gl_block\1.2.conv."),
    (r"head\.weight", "Head.fc_bin"),
]
HEADS = [
    (r"head\.weight", "FCs.fc_bin"),
    (r"neck\.norm\.", "BNNecks.bn1d."),
    (r"neck\.weight", "BNNecks.fc_bin"),
]
GAITBASE = [
    (r"backbone\.stem\.0\.", "Backbone.forward_block.conv1.conv."),
    (r"backbone\.stem\.1\.", "Backbone.forward_block.bn1."),
    (r"backbone\.stages\.(\d+)\.(\d+)\.shortcut\.", r"Backbone.forward_block.layer<\1>.\2.downsample."),
    (r"backbone\.stages\.(\d+)\.(\d+)\.", r"Backbone.forward_block.layer<\1>.\2."),
    *HEADS,
]


def _deepgaitv2(network: DeepGaitV2) -> list[tuple[str, str]]:
    """Frame-wise stages sit in a wrapper of their own; the P3D block names its parts in its own way."""
    rules = [(r"backbone\.stem\.", "layer0.forward_block.")]
    for i, stage in enumerate(network.stages):
        assert isinstance(stage, Stage)
        ours = rf"backbone\.stages\.{i}\.(\d+)\."
        theirs = rf"layer{i + 1}.forward_block.\1." if type(stage[0]) is Block2D else rf"layer{i + 1}.\1."
        if isinstance(stage[0], BlockP3D):
            rules += [(rf"{ours}conv(\d)\.", rf"{theirs}conv\2.forward_block.0."), (rf"{ours}time\.", rf"{theirs}shortcut3d.")]
            rules += [(rf"{ours}bn(\d)\.", rf"{theirs}conv\2.forward_block.1."), (rf"{ours}time_bn\.", rf"{theirs}sbn.")]
        rules += [(rf"{ours}shortcut\.", rf"{theirs}downsample."), (ours, theirs)]
    return rules + HEADS


def peer_names(network: Supervised | Backbone) -> dict[str, str]:
    """Our state's names -> OpenGait's."""
    backbone = network if isinstance(network, Backbone) else network.backbone
    if isinstance(backbone, GaitSet):
        rules = GAITSET
    elif isinstance(backbone, GaitBase):
        rules = GAITBASE
    elif isinstance(backbone, DeepGaitV2):
        rules = _deepgaitv2(backbone)
    else:
        raise UnknownModel(f"OpenGait's names for {type(backbone).__name__} are not known")
    prefix = "backbone." if network is backbone else ""
    return {name: _renamed(prefix + name, rules) for name in network.state_dict()}


def _renamed(name: str, rules: Sequence[tuple[str, str]]) -> str:
    for pattern, theirs in rules:
        if re.match(pattern, name):
            new = re.sub("^" + pattern, theirs, name)
            return re.sub(r"<(\d+)>", lambda digit: str(int(digit[1]) + 1), new)  # stages count from 1 there
    raise UnknownModel(f"no name of OpenGait's is known for {name!r}")


def load_state(network: Supervised | Backbone, peer_state: Mapping[str, Tensor]) -> None:
    """Copies OpenGait's weights into our network; a backbone alone leaves the heads' entries out. Names every misfit."""
    names = peer_names(network)
    state = network.state_dict()
    heads = ("Head.", "FCs.", "BNNecks.") if isinstance(network, Backbone) else ()
    unused = [name for name in peer_state if name not in set(names.values()) and not name.startswith(heads or ("\0",))]
    faults = [f"{name} (unknown here)" for name in unused]
    loaded = {}
    for ours, theirs in names.items():
        if theirs not in peer_state:
            faults.append(f"{theirs} (missing)")
        elif _core(peer_state[theirs].shape) != _core(state[ours].shape):
            faults.append(f"{theirs} (shape {list(peer_state[theirs].shape)}, ours {list(state[ours].shape)})")
        else:
            loaded[ours] = peer_state[theirs].reshape(state[ours].shape)
    if faults:
        raise ValueError(f"the checkpoint does not fit this network: {'; '.join(faults)}")
    network.load_state_dict(loaded)


def export_state(network: Supervised) -> dict[str, Tensor]:
    """Our weights under OpenGait's names and in its shapes (1x1 shortcuts of P3D and 3D stages are 3D convolutions there)."""
    state = network.state_dict()
    out = {}
    for ours, theirs in peer_names(network).items():
        tensor = state[ours]
        in_time = isinstance(network.backbone, DeepGaitV2) and ".downsample.0." in theirs and ".forward_block." not in theirs
        out[theirs] = (tensor.unsqueeze(-1) if in_time else tensor).detach().cpu().clone()
    return out


def load_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The network's entries of an OpenGait `.pt`, on the CPU; nothing but tensors and plain containers is unpickled."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is no checkpoint that can be read safely: {str(error).splitlines()[0]}") from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state_dict, neither as a whole nor under 'model'")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _core(shape: Sequence[int]) -> list[int]:
    """Shape without trailing ones: a 1x1 and a 1x1x1 convolution hold the same numbers."""
    core = list(shape)
    while core and core[-1] == 1:
        core.pop()
    return core
