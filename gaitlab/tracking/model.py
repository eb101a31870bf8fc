"""A run's network in MLflow's model registry, loadable with `mlflow.pyfunc.load_model` wherever gaitlab is installed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gaitlab.config import fingerprint
from gaitlab.runs import checkpoint
from gaitlab.tracking import mlflow_store
from gaitlab.training.network import Network
from gaitlab.types import Modality

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

HEIGHT = 64
"""Rows of a frame, as ingest makes them."""
EXAMPLE_FRAMES = 8
PACKAGES = ("gaitlab", "mlflow", "torch", "numpy")


class Registered(NamedTuple):
    """A version of a registered model; `load` is a line of Python that loads it. embedding: its p and d."""

    name: str
    version: str
    step: int
    embedding: tuple[int, int]
    load: str


def register(folder: Path, name: str, *, modality: Modality | None = None, uri: str | None = None) -> Registered:
    """Log the network of a run's folder (its best step, else its newest) as a model of that run, and register it as `name`.

    Signature: walks uint8 `[n t 64 w]`, 0..255, w the network's width or more (`[n t c 64 w]` where frames have channels), and the
    parameter `lengths` for walks of unequal length -> embeddings float32 `[n p d]`, those of `Method.embed`.
    modality: what it sees, for networks that see several. uri: the store, `default_uri()` if not given. A run that the store does
    not know is registered all the same. ValueError for a name that MLflow refuses, and for networks of several clips at once.
    """
    if not name or set(name) & set("/:.%\"'"):
        raise ValueError(f"a model's name is not empty and holds none of / : . % \" '; not {name!r}: --name gaitbase-casia-b")
    if find_spec("mlflow") is None:
        raise ValueError("MLflow is not installed here: pip install mlflow")
    network = Network(folder, modality=modality, device=torch.device("cpu"))
    experiment = network.experiment
    role, spec = network.clip
    channels = experiment.method.channels().get(role, 1)
    frame = (*((channels,) if channels > 1 else ()), HEIGHT, spec.width or HEIGHT)
    example = np.zeros((1, EXAMPLE_FRAMES, *frame), np.uint8)
    example[..., 8:56, 12:32] = 255
    _, parts, size = network.embed(example).shape
    state = checkpoint.newest(folder)
    assert state is not None
    step = state["best"]["step"] or state["step"]
    needed = {"config": state["config"], "subjects": state["subjects"], "method": network.method.state_dict(), "averaged": None}
    facts = {"run": folder.name, "step": str(step), "experiment": experiment.name, "fingerprint": fingerprint(experiment)}
    store = mlflow_store.absolute(uri or mlflow_store.default_uri())
    with tempfile.TemporaryDirectory() as scratch:
        slim = Path(scratch) / "run"
        slim.mkdir()
        checkpoint.write(checkpoint.step_path(slim, step), needed | {"step": step, "best": {"step": step}})
        logged = _log(
            store, slim, name, facts, {"modality": modality, "modules": list(experiment.modules)}, _signature(frame, parts, size), example
        )
    load = f"import mlflow; mlflow.set_tracking_uri({store!r}); model = mlflow.pyfunc.load_model('models:/{name}/{logged}')"
    return Registered(name, logged, step, (parts, size), load)


def _signature(frame: tuple[int, ...], parts: int, size: int) -> "ModelSignature":
    """Frames `h w` or `c h w`; any number of walks, frames and columns."""
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, *frame[:-1], -1))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, parts, size))]),
        params=ParamSchema([ParamSpec("lengths", "long", [], (-1,))]),
    )


def _log(
    store: str,
    checkpoints: Path,
    name: str,
    facts: dict[str, str],
    config: dict[str, object],
    signature: "ModelSignature",
    example: np.ndarray,
) -> str:
    """Version of the model of the folder `checkpoints`, logged under the run if the store has it."""
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        client = mlflow_store.open_store(store)
        run = mlflow_store.find_run(client, facts["run"])
        source = run.info.run_id if run else None
        family = run.info.experiment_id if run else mlflow_store.experiment_id(client, store)
        with _store_in_use(store):
            logged = client.create_logged_model(family, name=name, source_run_id=source, tags=facts)
            info = Model.log(
                None,
                mlflow.pyfunc,
                registered_model_name=name,
                run_id=source,
                model_id=logged.model_id,
                python_model=str(Path(__file__).with_name("served.py")),
                artifacts={"run": str(checkpoints)},
                model_config=config,
                signature=signature,
                input_example=example,
                pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in PACKAGES],
            )
            made = str(info.registered_model_version)
            for key, value in facts.items():
                client.set_model_version_tag(name, made, key, value)
    except MlflowException as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise OSError(f"the tracking store {mlflow_store.without_password(store)} did not take the model: {reason}") from error
    return made


@contextmanager
def _store_in_use(uri: str) -> Iterator[None]:
    """MLflow's functions, which take no store, use this one; MLflow names it in the environment, too, which is put back."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
