"""Our names of a network's weights -> OpenGait's."""

import re
from collections.abc import Sequence

from gaitlab.backbones.backbone import Backbone
from gaitlab.backbones.deepgaitv2 import DeepGaitV2
from gaitlab.backbones.gaitbase import GaitBase
from gaitlab.backbones.gaitset import GaitSet
from gaitlab.interop.opengait.models import UnknownModel
from gaitlab.methods.supervised import Supervised
from gaitlab.nn.blocks import Block2D, BlockP3D, Stage

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
