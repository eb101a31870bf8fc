"""A trained network as one uses it: walks in, as arrays or as rows of shards, embeddings out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gaitlab.data.store import Store
from gaitlab.data.unpack import columns
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.training.embed import embed
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.types import Batch, ClipSpec, Modality

FRAMES = 2048
"""Padded frames that are embedded at a time."""


class Network:
    """The best network of a run (its best step, else its newest), in evaluation mode, on the GPU if there is one.

    experiment: what it was trained by. method: the torch module.
    """

    def __init__(self, folder: Path, *, modality: Modality | None = None, device: torch.device | None = None) -> None:
        """modality: what it sees, for networks that can see several. ValueError if the folder has no checkpoint."""
        self._run = LocalRun(lambda: folder, device=device)
        self.experiment: Experiment
        self.method: Method
        self.experiment, self.method = trained(folder, self._run)
        self.method.eval()
        self.clips = self.experiment.method.test_clips(modality)

    @property
    def clip(self) -> tuple[str, ClipSpec]:
        """Role and clip of a network that sees one modality. ValueError for one that sees several at once."""
        if len(self.clips) > 1:
            seen = " and ".join(f"{role} ({spec.modality})" for role, spec in self.clips.items())
            raise ValueError(f"{self.experiment.name} sees {seen} at once; only networks of one clip take walks as one array")
        return next(iter(self.clips.items()))

    @torch.inference_mode()
    def embed(self, walks: np.ndarray, lengths: Sequence[int] | None = None) -> np.ndarray:
        """Embeddings float32 `[n p d]` of walks uint8 `[n t h w]`, 0..255, or `[n t c h w]` where frames have channels.

        Columns beyond the network's are cropped on both sides, as in training. lengths: frames of each walk, those behind them do not
        count; all walks are t frames long if not given. A walk's embedding does not depend on the others.
        """
        role, clip = self.clip
        n, t = walks.shape[:2]
        sizes = np.array([t] * n if lengths is None or not len(lengths) else lengths, np.int64)
        if sizes.shape != (n,) or sizes.min() < 1 or sizes.max() > t:
            raise ValueError(f"lengths are one number of frames, 1 to {t}, for each of the {n} walks; they are {sizes.tolist()}")
        sizes = sizes.clip(max=clip.limit)
        shown = columns(walks.shape[-1], clip.width)
        many = max(1, FRAMES // int(sizes.max()))
        parts = [self._embed(role, walks[i : i + many, ..., shown], sizes[i : i + many]) for i in range(0, n, many)]
        return np.concatenate(parts)

    def embed_shards(self, store: Store, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Embeddings float32 `[n p d]` of these rows of the store's index, of all of them if not given, in their order."""
        chosen = np.arange(len(store.index)) if rows is None else np.asarray(rows, np.int64)
        return embed(self.method, store, chosen, self.clips, self._run)

    def _embed(self, role: str, walks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        device = self._run.device
        pixels = torch.from_numpy(np.ascontiguousarray(walks[:, : lengths.max()])).to(device)
        clip = (pixels if pixels.dim() == 5 else pixels.unsqueeze(2)).float().mul_(1 / 255)
        of_none = torch.full((len(walks),), -1, device=device)
        batch = Batch({role: clip}, {role: torch.from_numpy(lengths).to(device)}, of_none, of_none)
        return self.method.embed(batch).float().cpu().numpy()
