"""OpenGait's checkpoints: read without running their code, put into our networks, and given back under OpenGait's names."""

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    content = read_content(path)
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        raise ValueError(f"{path} holds no state_dict, neither as a whole nor under 'model'")
    return {name.removeprefix("module."): value for name, value in state.items()}


def read_content(path: str | Path) -> Any:
    """All of a `.pt`, on the CPU, by the same rules; torch's own messages, which advise to unpickle anything, are not passed on."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or 'it is damaged'}") from None
    except Exception:  # noqa: BLE001  (a damaged pickle may raise anything)
        raise ValueError(_unreadable(path)) from None


def _unreadable(path: str | Path) -> str:
    beginning = Path(path).read_bytes()[:4096]
    if not beginning:
        return f"{path} is empty: copy it again"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        text = "\0"
    if all(letter.isprintable() or letter.isspace() for letter in text):
        return f"{path} is a text file, no checkpoint; the YAML comes first, then the .pt"
    return f"{path} is no checkpoint that can be read safely: it is damaged, or holds more than tensors and plain values"


def _core(shape: Sequence[int]) -> list[int]:
    """Shape without trailing ones: a 1x1 and a 1x1x1 convolution hold the same numbers."""
    core = list(shape)
    while core and core[-1] == 1:
        core.pop()
    return core
