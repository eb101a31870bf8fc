"""What a network costs where it is used: products of one embedded walk, and parameters that take part."""

from dataclasses import replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gaitlab.data.feed import whole_walks
from gaitlab.data.store import Store
from gaitlab.method import Method, MethodConfig

FRAMES = 30
"""Frames of the walk that is counted (longer walks are cut, shorter ones are what they are)."""


@torch.inference_mode()
def inference_cost(method: Method, config: MethodConfig, store: Store) -> dict[str, float]:
    """embed_gflop: billions of multiplications and additions in the convolutions and matrix products that embed the store's first walk.
    embed_parameters: parameters of the modules that were used for it."""
    device = next(method.parameters()).device
    clips = {role: replace(spec, limit=FRAMES) for role, spec in config.test_clips().items()}
    batch = whole_walks(store, np.array([0]), clips, device)
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
