"""What a network costs where it is used: products of one embedded walk, and parameters that take part."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gaitlab.data.clips import can_show, walk_frames
from gaitlab.data.feed import whole_walks
from gaitlab.data.store import Store
from gaitlab.method import Method, MethodConfig
from gaitlab.types import Batch, ClipSpec

FRAMES = 30
"""Frames of the walk that is counted (longer walks are cut, shorter ones are what they are)."""


def inference_cost(method: Method, config: MethodConfig, store: Store) -> dict[str, float]:
    """Of the first of the method's `embeds`; of each further one under `NAME/MODALITY`, as far as the store has such walks.

    embed_gflop: billions of multiplications and additions in the convolutions and matrix products that embed a walk.
    embed_parameters: parameters of the modules that were used for it.
    """
    clips = config.clips()
    found: dict[str, float] = {}
    for i, roles in enumerate(config.embeds()):
        specs = config.test_clips(clips[roles[0]].modality if i else None)
        frames = [walk_frames(store, spec.modality) for spec in specs.values() if can_show(store, spec.modality)]
        walks = np.flatnonzero(np.all(frames, axis=0)) if len(frames) == len(specs) else np.zeros(0, np.int64)
        if len(walks):
            cost = _embedding_cost(method, whole_walks(store, walks[:1], _short(specs), next(method.parameters()).device))
            found |= {f"{name}/{clips[roles[0]].modality}" if i else name: value for name, value in cost.items()}
    return found


def _short(clips: Mapping[str, ClipSpec]) -> dict[str, ClipSpec]:
    return {role: replace(spec, limit=FRAMES) for role, spec in clips.items()}


@torch.inference_mode()
def _embedding_cost(method: Method, batch: Batch) -> dict[str, float]:
    used: dict[int, int] = {}

    def note(module: torch.nn.Module, *_: object) -> None:
        used.update({id(p): p.numel() for p in module.parameters(recurse=False)})

    hooks = [module.register_forward_hook(note) for module in method.modules()]
    try:
        method.eval()
        with FlopCounterMode(display=False) as counted:
            method.embed(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {"embed_gflop": counted.get_total_flops() / 1e9, "embed_parameters": float(sum(used.values()))}
