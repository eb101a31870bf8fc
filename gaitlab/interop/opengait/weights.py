"""OpenGait's checkpoints: read without running their code, put into our networks, and given back under OpenGait's names."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gaitlab.backbones.backbone import Backbone
from gaitlab.interop.opengait.names import HEADS, peer_names, under_peer_names
from gaitlab.method import Method


def load_state(network: Method | Backbone, peer_state: Mapping[str, Tensor]) -> None:
    """Copies OpenGait's weights into our network; a backbone alone leaves the heads' entries out. Names every misfit."""
    state = network.state_dict()
    unused = set(peer_state)
    faults, loaded = [], {}
    for ours, theirs in peer_names(network).items():
        wanted = state[ours]
        sources = [theirs.replace("*", str(i)) for i in range(len(wanted))] if "*" in theirs else [theirs]
        each = wanted[0] if "*" in theirs else wanted
        unused -= set(sources)
        faults += [f"{name} (missing)" for name in sources if name not in peer_state]
        held = [(name, peer_state[name]) for name in sources if name in peer_state]
        misfits = [(name, list(value.shape)) for name, value in held if _core(value.shape) != _core(each.shape)]
        faults += [f"{name} (shape {shape}, ours {list(each.shape)})" for name, shape in misfits]
        if len(held) == len(sources) and not misfits:
            loaded[ours] = torch.stack([value.reshape(each.shape) for _, value in held]).reshape(wanted.shape)
    if isinstance(network, Backbone):
        unused = {name for name in unused if not name.startswith(HEADS)}
    faults = [f"{name} (unknown here)" for name in peer_state if name in unused] + faults
    if faults:
        raise ValueError(f"the checkpoint does not fit this network: {'; '.join(faults)}")
    network.load_state_dict(loaded)


def export_state(network: Method | Backbone) -> dict[str, Tensor]:
    """Our weights under OpenGait's names and in its shapes."""
    return {name: tensor.detach().cpu().clone() for name, tensor in under_peer_names(network, network.state_dict()).items()}


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
