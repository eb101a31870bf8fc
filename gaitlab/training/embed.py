"""Embeddings of whole walks: several at a time, each equal to what it would be alone."""

from collections.abc import Mapping

import numpy as np
import torch

from gaitlab.data.clips import walk_frames
from gaitlab.data.feed import whole_walks
from gaitlab.data.store import Store
from gaitlab.method import Method
from gaitlab.training.border import Run
from gaitlab.types import ClipSpec


@torch.inference_mode()
def embed(method: Method, store: Store, rows: np.ndarray, clips: Mapping[str, ClipSpec], run: Run, *, frames: int = 2048) -> np.ndarray:
    """Embeddings float32 `[n p d]` of the store's `rows`, in their order, on every rank.

    Each rank embeds its share; walks of similar length go together, at most `frames` padded frames at a time.
    """
    method.eval()
    lengths = np.max([walk_frames(store, spec.modality)[rows].clip(max=spec.limit) for spec in clips.values()], axis=0)
    order = np.argsort(-lengths, kind="stable")[run.rank :: run.world]
    out: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    while start < len(order):
        many = max(1, frames // int(lengths[order[start]]))
        part = order[start : start + many]
        batch = whole_walks(store, rows[part], clips, run.device)
        out.append((part, method.embed(batch).float().cpu().numpy()))
        start += many
    shares = [pair for share in run.gather(out) for pair in share]
    first = shares[0][1]
    result = np.empty((len(rows), *first.shape[1:]), np.float32)
    for part, values in shares:
        result[part] = values
    return result
