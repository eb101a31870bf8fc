"""Our names of a network's weights -> OpenGait's, and tensors of ours under them."""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from gaitlab.backbones.backbone import Backbone
from gaitlab.backbones.deepgaitv2 import DeepGaitV2
from gaitlab.backbones.gaitbase import GaitBase
from gaitlab.backbones.gaitgl import GaitGL
from gaitlab.backbones.gaitpart import GaitPart
from gaitlab.backbones.gaitset import GaitSet
from gaitlab.backbones.plain import Plain
from gaitlab.backbones.skeletongaitpp import SkeletonGaitPP
from gaitlab.backbones.smplgait import SMPLGait
from gaitlab.interop.opengait.models import UnknownModel
from gaitlab.method import Method
from gaitlab.nn.blocks import Block2D, BlockP3D, Stage
from gaitlab.nn.heads import SharedNeck
from gaitlab.nn.plain import PlainLayers

Rules = Sequence[tuple[str, str]]
"""(regular expression of our name's beginning, what stands there in OpenGait's); the first that matches counts.

`<n>` in OpenGait's name is n + 1, `*` the index of an axis that we keep in one tensor."""

HEADS = ("Head.", "Head0.", "Head1.", "Bn.", "FCs.", "BNNecks.", "projector.", "predictor.", "head0.")
"""What OpenGait's names of everything behind a backbone begin with."""

_GAITSET = [
    (r"backbone\.block(\d)\.conv1\.", r"set_block\1.forward_block.0.conv."),
    (r"backbone\.block(\d)\.conv2\.", r"set_block\1.forward_block.2.conv."),
    (r"backbone\.global(\d)\.conv1\.", r"gl_block\1.0.conv."),
    (r"backbone\.global(\d)\.conv2\.", r"gl_block\1.2.conv."),
    (r"head\.weight", "Head.fc_bin"),
]
_GAITPART = [
    (r"backbone\.gate3\.narrow\.weight", "TFA.pooling_func.conv1d3x1.*.0.conv.weight"),
    (r"backbone\.gate3\.widen\.weight", "TFA.pooling_func.conv1d3x1.*.2.conv.weight"),
    (r"backbone\.gate5\.narrow\.weight", "TFA.pooling_func.conv1d3x3.*.0.conv.weight"),
    (r"backbone\.gate5\.widen\.weight", "TFA.pooling_func.conv1d3x3.*.2.conv.weight"),
    (r"head\.weight", "Head.fc_bin"),
]
_SMPLGAIT = [(r"backbone\.((?:fc|bn)\d\.)", r"\1")]
_HEADS = [
    (r"head\.weight", "FCs.fc_bin"),
    (r"neck\.norm\.", "BNNecks.bn1d."),
    (r"neck\.weight", "BNNecks.fc_bin"),
]
_GAITSSB = [
    (r"(projector|predictor)\.fc1\.weight", r"\1.0.fc_bin"),
    (r"(projector|predictor)\.bn1\.", r"\1.1.bn1d."),
    (r"(projector|predictor)\.fc2\.weight", r"\1.3.fc_bin"),
    (r"(projector|predictor)\.bn2\.", r"\1.4.bn1d."),
    (r"head\.weight", "head0.fc_bin"),
]
_GAITBASE = [
    (r"backbone\.stem\.0\.", "Backbone.forward_block.conv1.conv."),
    (r"backbone\.stem\.1\.", "Backbone.forward_block.bn1."),
    (r"backbone\.stages\.(\d+)\.(\d+)\.shortcut\.", r"Backbone.forward_block.layer<\1>.\2.downsample."),
    (r"backbone\.stages\.(\d+)\.(\d+)\.", r"Backbone.forward_block.layer<\1>.\2."),
]


def _plain(layers: PlainLayers) -> Rules:
    """A convolution and its leaky ReLU are two entries of a list there, a max-pool is one."""
    places = [2 * i + sum(pool <= i for pool in layers.pool_after) for i in range(len(layers))]
    return [(rf"backbone\.layers\.{i}\.", f"Backbone.forward_block.feature.{place}.conv.") for i, place in enumerate(places)]


def _gaitgl(network: GaitGL) -> Rules:
    rules = [(rf"backbone\.stem\.{i}\.", f"conv3d.{2 * i}.conv3d.") for i in range(len(network.stem))]
    rules.append((r"backbone\.time\.", "LTA.0.conv3d."))
    each = network.pool_after  # convolutions of a stage
    for i in range(len(network.blocks)):
        stage, within = divmod(i, each)
        block = f"GLConv{'A' if stage < 2 else 'B'}{stage}" + (f".{within}" if each > 1 else "")
        rules += [(rf"backbone\.blocks\.{i}\.whole\.", f"{block}.global_conv3d.conv3d.")]
        rules += [(rf"backbone\.blocks\.{i}\.local\.", f"{block}.local_conv3d.conv3d.")]
    heads = [(r"head\.weight", "Head0.fc_bin"), (r"neck\.classify\.weight", "Head1.fc_bin")]
    return [*rules, (r"backbone\.power", "HPP.p"), *heads]


def _stages(stages: Sequence[Stage], first: int) -> Rules:
    """DeepGaitV2's stages: frame-wise ones sit in a wrapper of their own; the P3D block names its parts in its own way."""
    rules = []
    for i, stage in enumerate(stages):
        ours = rf"backbone\.stages\.{i}\.(\d+)\."
        theirs = rf"layer{i + first}.forward_block.\1." if type(stage[0]) is Block2D else rf"layer{i + first}.\1."
        if isinstance(stage[0], BlockP3D):
            rules += [(rf"{ours}conv(\d)\.", rf"{theirs}conv\2.forward_block.0."), (rf"{ours}time\.", rf"{theirs}shortcut3d.")]
            rules += [(rf"{ours}bn(\d)\.", rf"{theirs}conv\2.forward_block.1."), (rf"{ours}time_bn\.", rf"{theirs}sbn.")]
        rules += [(rf"{ours}shortcut\.", rf"{theirs}downsample."), (ours, theirs)]
    return rules


_SKELETONGAITPP = [
    (rf"backbone\.{ours}_{part}\.", f"{theirs}_layer{number}.forward_block.")
    for ours, theirs in (("silhouette", "sil"), ("map", "map"))
    for number, part in enumerate(("stem", "stage"))
] + [(r"backbone\.fusion\.attend\.", "fusion.conv.forward_block.")]


def _rules(backbone: Backbone) -> Rules:
    match backbone:
        case GaitSet():
            return _GAITSET
        case GaitPart():
            return [*_plain(backbone.layers), *_GAITPART]
        case GaitGL():
            return [*_gaitgl(backbone), *_HEADS]
        case Plain():
            return [*_plain(backbone.layers), *_HEADS]
        case SMPLGait():
            return [*_plain(backbone.layers), *_SMPLGAIT, *_HEADS]
        case GaitBase():
            return [*_GAITBASE, *_HEADS]
        case DeepGaitV2():
            return [(r"backbone\.stem\.", "layer0.forward_block."), *_stages(list(backbone.stages), 1), *_HEADS]  # type: ignore[arg-type]
        case SkeletonGaitPP():
            return [*_SKELETONGAITPP, *_stages(list(backbone.stages), 2), *_HEADS]  # type: ignore[arg-type]
    raise UnknownModel(f"OpenGait's names for {type(backbone).__name__} are not known")


def peer_names(network: Method | Backbone) -> dict[str, str]:
    """Our state's names -> OpenGait's; where ours is one tensor of what are several there, with a * for the index of its first axis."""
    backbone = network if isinstance(network, Backbone) else network.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    rules = [*(_GAITSSB if hasattr(network, "projector") else []), *_rules(backbone)]
    if isinstance(getattr(network, "neck", None), SharedNeck):
        rules = [(r"neck\.norm\.", "Bn."), *rules]
    prefix = "backbone." if network is backbone else ""
    return {name: _renamed(prefix + name, rules) for name in network.state_dict()}


def _renamed(name: str, rules: Rules) -> str:
    for pattern, theirs in rules:
        if re.match(pattern, name):
            new = re.sub("^" + pattern, theirs, name)
            return re.sub(r"<(\d+)>", lambda digit: str(int(digit[1]) + 1), new)  # stages count from 1 there
    raise UnknownModel(f"no name of OpenGait's is known for {name!r}")


def under_peer_names(network: Method | Backbone, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Some tensors of the network (weights, gradients) under OpenGait's names and in its shapes."""
    out: dict[str, Tensor] = {}
    for ours, theirs in peer_names(network).items():
        if ours not in tensors:
            continue
        tensor = tensors[ours]
        if "*" in theirs:
            out |= {theirs.replace("*", str(i)): part for i, part in enumerate(tensor)}
        elif ".downsample.0." in theirs and ".forward_block." not in theirs:  # 1x1 shortcuts of P3D and 3D stages are 3D convolutions there
            out[theirs] = tensor.unsqueeze(-1)
        else:
            out[theirs] = tensor
    return out
