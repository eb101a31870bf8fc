"""A registered network: walks in, embeddings out. MLflow keeps a copy of this file in the model and runs it where that is loaded.

No Ray, and no pickle: weights and config are read by the reader of checkpoints, the rest is the installed gaitlab. A copy lives as
long as its model, so it asks for nothing but `gaitlab.open_run`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

import gaitlab


class Embedder(PythonModel):
    """What `gaitlab.tracking.model.register` logs: its artifact `run` is a folder with one checkpoint; its config names the modality
    and the modules with classes of somebody's own."""

    def load_context(self, context: Any) -> None:
        facts = context.model_config
        self.network = gaitlab.open_run(context.artifacts["run"], modality=facts["modality"], modules=facts["modules"])

    def predict(self, context: Any, model_input: np.ndarray, params: Mapping[str, Any] | None = None) -> np.ndarray:
        """Embeddings float32 `[n p d]` of walks uint8 `[n t h w]`, or `[n t c h w]` where frames have channels. params: `lengths`."""
        return self.network.embed(model_input, (params or {}).get("lengths"))


set_model(Embedder())
