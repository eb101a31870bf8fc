"""A registered network: walks in, embeddings out. MLflow keeps a copy of this file in the model and runs it where that is loaded.

No Ray, and no pickle: weights and config are read by the reader of checkpoints, the rest is the installed gaitlab.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from gaitlab.data.unpack import columns
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.types import Batch

FRAMES = 2048
"""Padded frames that are embedded at a time."""


class Embedder(PythonModel):
    """What `gaitlab.tracking.model.register` logs; its artifact `run` is a folder with one checkpoint, its config names the modality."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["run"])
        self.device = (run := LocalRun(lambda: folder)).device
        experiment, self.method = trained(folder, run)
        self.method.eval()
        ((self.role, self.clip),) = experiment.method.test_clips(context.model_config["modality"]).items()

    @torch.inference_mode()
    def predict(self, context: Any, model_input: np.ndarray, params: Mapping[str, Any] | None = None) -> np.ndarray:
        """Embeddings float32 `[n p d]` of walks uint8 `[n t h w]`, 0..255, or `[n t c h w]` where frames have channels.

        Columns beyond the network's are cropped on both sides, as in training. params: `lengths`, the frames of each walk; those
        behind them do not count. Without it all walks are t frames long.
        """
        n, t = model_input.shape[:2]
        lengths = np.array((params or {}).get("lengths") or [t] * n, np.int64)
        if lengths.shape != (n,) or lengths.min() < 1 or lengths.max() > t:
            raise ValueError(f"lengths are one number of frames, 1 to {t}, for each of the {n} walks; they are {lengths.tolist()}")
        lengths = lengths.clip(max=self.clip.limit)
        shown = columns(model_input.shape[-1], self.clip.width)
        many = max(1, FRAMES // int(lengths.max()))
        return np.concatenate([self._embed(model_input[i : i + many, ..., shown], lengths[i : i + many]) for i in range(0, n, many)])

    def _embed(self, walks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(np.ascontiguousarray(walks[:, : lengths.max()])).to(self.device)
        clip = (pixels if pixels.dim() == 5 else pixels.unsqueeze(2)).float().mul_(1 / 255)
        of_none = torch.full((len(walks),), -1, device=self.device)
        batch = Batch({self.role: clip}, {self.role: torch.from_numpy(lengths).to(self.device)}, of_none, of_none)
        return self.method.embed(batch).float().cpu().numpy()


set_model(Embedder())
