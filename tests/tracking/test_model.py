"""A registered network, loaded in a process that has no Ray."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.smplgait import SMPLGaitConfig
from gaitlab.config import to_dict
from gaitlab.data.feed import whole_walks
from gaitlab.data.store import Store
from gaitlab.method import MethodConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.runs import checkpoint
from gaitlab.tracking import mlflow_store
from gaitlab.tracking.model import register
from gaitlab.tracking.runs import MlflowTracker
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained
from gaitlab.types import ClipSpec
from tests.conftest import TINY
from tests.processes import pipeline
from tests.tracking.servers import migrated
from tests.training.tiny import experiment, fit

ALONE = """
import json, sys
sys.modules["ray"] = None  # an import of it now raises
import numpy as np
LOAD
walks = np.load(sys.argv[1])
longest = walks["padded"].shape[1]
np.savez(sys.argv[2], same=model.predict(walks["same"]), wide=model.predict(walks["wide"]),
         padded=model.predict(walks["padded"], params={"lengths": walks["lengths"].tolist()}))
schema = model.metadata.signature.inputs.inputs[0]
said = []
for bad in (walks["same"].astype(np.float32), walks["same"][:, :, :32], walks["same"][..., :40]):
    try:
        model.predict(bad)
    except Exception as error:
        said.append(str(error))
print(json.dumps({"shape": schema.shape, "type": str(schema.type), "said": said, "ray": sys.modules["ray"] is None}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a store of its own."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    (folder / "data" / "tiny").symlink_to(Path(os.environ["GAITLAB_HOME"]) / "data" / f"tiny-{TINY.checksum()[:8]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLAB_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        migrated(folder / "mlflow.db")
        yield folder


@pytest.fixture(scope="module")
def folder(tiny_store: Store, home: Path) -> Path:
    """A tracked run of two steps."""
    config = experiment(TINY, steps=2)
    with MlflowTracker.start(config, data_hash=tiny_store.hash, system_metrics=False) as tracker:
        fit(config, LocalRun(lambda: tracker.folder), tracker)
    return tracker.folder


def test_a_registered_network_embeds_without_ray(tiny_store: Store, folder: Path, tmp_path: Path) -> None:
    registered = pipeline("register.py", folder.name, "--name", "tiny")
    assert registered.returncode == 0, registered.stderr
    said = registered.stdout.splitlines()
    store = mlflow_store.default_uri()
    assert said[-1] == f"import mlflow; mlflow.set_tracking_uri('{store}'); model = mlflow.pyfunc.load_model('models:/tiny/1')"

    run = LocalRun(lambda: folder, device=torch.device("cpu"))
    config, method = trained(folder, run)
    method.eval()
    batch = whole_walks(tiny_store, np.arange(5), config.method.test_clips(), run.device)
    lengths = np.minimum(batch.lengths["gait"].numpy(), [99, 9, 99, 7, 11])
    assert batch.clips["gait"].shape[2:] == (1, 64, 44)
    padded = (batch.clips["gait"].squeeze(2) * 255).round().byte().numpy()
    same = padded[:, :7]
    np.savez(tmp_path / "walks.npz", padded=padded, lengths=lengths, same=same, wide=np.pad(same, [(0, 0)] * 3 + [(10, 10)]))
    (tmp_path / "alone.py").write_text(ALONE.replace("LOAD", said[-1]))
    arguments = [tmp_path / "alone.py", tmp_path / "walks.npz", tmp_path / "embedded.npz"]
    quiet = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    alone = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path, env=quiet)
    facts = json.loads(alone.stdout.splitlines()[-1])
    assert (facts["shape"], facts["type"], facts["ray"]) == ([-1, -1, 64, -1], "uint8", True)
    assert len(facts["said"]) == 3
    assert "a clip cannot keep 44 of 40 columns" in facts["said"][2]

    embedded = np.load(tmp_path / "embedded.npz")
    with torch.inference_mode():
        expected = method.embed(replace(batch, lengths={"gait": torch.from_numpy(lengths)})).numpy()
        clips = batch.clips["gait"][:, :7]
        cut = method.embed(replace(batch, clips={"gait": clips}, lengths={"gait": torch.full((5,), 7)})).numpy()
    assert expected.shape == (5, 8, 8)
    np.testing.assert_allclose(embedded["padded"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embedded["same"], cut, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(embedded["wide"], embedded["same"])


def test_where_a_model_comes_from(folder: Path) -> None:
    """A second version; its run, step and config are tags, and nothing in it is pickled."""
    made = register(folder, "again")
    second = register(folder, "again")
    assert (made.version, second.version, second.step, second.embedding) == ("1", "2", 2, (8, 8))
    client = mlflow_store.open_store(mlflow_store.default_uri())
    version = client.get_model_version("again", "2")
    assert version.run_id == folder.name
    assert version.tags["step"] == "2"
    assert version.tags["run"] == folder.name
    assert client.get_run(folder.name).info.status == "FINISHED"
    assert len(client.get_run(folder.name).outputs.model_outputs) >= 2
    files = list((folder.parents[1] / "mlartifacts").glob("models/*/artifacts/**/*"))
    assert any(path.name == "step-00000002.pt" for path in files)
    assert not [path for path in files if path.suffix == ".pkl"]
    size = next(path.stat().st_size for path in files if path.suffix == ".pt")
    assert size < next(folder.glob("*.pt")).stat().st_size  # no optimiser


def untrained(method: MethodConfig, folder: Path) -> Path:
    """A run's folder with a checkpoint of initial weights."""
    config = replace(experiment(TINY), method=method)
    state = {"config": json.dumps(to_dict(config)), "subjects": ["a", "b"], "step": 1, "best": {"step": 0, "score": 0.0}}
    folder.mkdir()
    checkpoint.write(checkpoint.step_path(folder, 1), state | {"method": config.method.build(2).state_dict(), "averaged": None})
    return folder


def test_an_untracked_network_of_frames_with_channels(home: Path, tmp_path: Path) -> None:
    import mlflow

    backbone = GaitBaseConfig(channels=(4, 8, 8, 8), stem_stride=2, bins=(8,), in_channels=3)
    folder = untrained(SupervisedConfig(backbone=backbone, clip=ClipSpec(modality="range", width=None), embedding=8), tmp_path / "run")
    assert register(folder, "ranges").version == "1"
    assert "MLFLOW_TRACKING_URI" not in os.environ
    mlflow.set_tracking_uri(mlflow_store.default_uri())
    model = mlflow.pyfunc.load_model("models:/ranges/1")
    mlflow.set_tracking_uri(None)
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, -1, 3, 64, -1)
    walks = np.random.default_rng(0).integers(0, 256, (300, 9, 3, 64, 64), np.uint8)  # more than are embedded at a time
    embedded = model.predict(walks)
    assert embedded.shape == (300, 8, 8)
    np.testing.assert_allclose(embedded[250:260], model.predict(walks[250:260]), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="lengths are one number of frames, 1 to 9, for each of the 300 walks"):
        model.predict(walks, params={"lengths": [9]})


def test_what_cannot_be_registered(tmp_path: Path) -> None:
    both = untrained(SupervisedConfig(backbone=SMPLGaitConfig()), tmp_path / "both")
    one = untrained(SupervisedConfig(backbone=GaitBaseConfig(channels=(4, 8, 8, 8), bins=(8,)), embedding=8), tmp_path / "one")
    for folder, name, says in (
        (both, "smpl", r"tiny sees gait \(silhouette\) and smpl \(smpl\) at once; only networks of one clip"),
        (one, "a/b", "holds none of"),
        (one, "", "is not empty"),
        (tmp_path / "none", "name", "no checkpoint in"),
    ):
        with pytest.raises(ValueError, match=says):
            register(folder, name)


def test_a_store_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    method = SupervisedConfig(backbone=GaitBaseConfig(channels=(4, 8, 8, 8), bins=(8,)), embedding=8)
    with pytest.raises(OSError, match=r"the tracking store http://127\.0\.0\.1:9 did not take the model: .*refused"):
        register(untrained(method, tmp_path / "run"), "away", uri="http://127.0.0.1:9")
