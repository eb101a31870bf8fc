"""Fixtures: a home of the tests' own, the shared folder beside the checkout, and a tiny store of walkers."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

if "GAITLAB_TESTS_HOME" not in os.environ:  # a child process that imports this file stays in its parent's home
    _HOME = tempfile.TemporaryDirectory(prefix="gaitlab-tests-")
    os.environ["GAITLAB_TESTS_HOME"] = _HOME.name
os.environ["GAITLAB_HOME"] = os.environ["GAITLAB_TESTS_HOME"]  # before anything of gaitlab is imported
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import pytest
import torch

from gaitlab.data.ingest import ingest
from gaitlab.data.schema import MANIFEST
from gaitlab.data.store import Store
from gaitlab.walkers import presets

torch.set_num_threads(min(2, os.cpu_count() or 1))

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("GAITLAB_SHARED", ROOT.parent / "shared"))

TINY = replace(presets.TINY, name="tiny", modalities=("silhouette",))
"""11 people, 352 walks: the smallest set on which every link of the chain has something to do."""


@pytest.fixture(scope="session")
def tiny_store() -> Store:
    """Shards of TINY in the tests' home, made once."""
    root = Path(os.environ["GAITLAB_HOME"]) / "data" / f"tiny-{TINY.checksum()[:8]}"
    return Store(root) if (root / MANIFEST).exists() else ingest(TINY, root, progress=False)
