"""OpenGait's checkpoints: read without running their code, put into our networks, and given back under OpenGait's names."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gaitlab.backbones.backbone import Backbone
from gaitlab.backbones.deepgaitv2 import DeepGaitV2
from gaitlab.interop.opengait.names import peer_names
from gaitlab.methods.supervised import Supervised


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
