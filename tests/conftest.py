"""Fixtures: a home of the tests' own, the shared folder beside the checkout, a tiny store of walkers, one Ray cluster.

Under pytest-xdist every worker is a session of its own with a home of its own; whole files go to a worker, those that need Ray to the same.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

_OWNER = f"{os.environ.get('PYTEST_XDIST_TESTRUNUID', '')}{os.environ.get('PYTEST_XDIST_WORKER', '')}"
if os.environ.get("GAITLAB_TESTS_OWNER") != _OWNER:  # a child process that imports this file stays in its parent's home
    _HOME = tempfile.TemporaryDirectory(prefix="gaitlab-tests-", ignore_cleanup_errors=True)
    os.environ |= {"GAITLAB_TESTS_OWNER": _OWNER, "GAITLAB_TESTS_HOME": _HOME.name}
os.environ["GAITLAB_HOME"] = os.environ["GAITLAB_TESTS_HOME"]  # before anything of gaitlab is imported
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other, and their networks are tiny
# As `open_store` says, before anything imports MLflow.
os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gaitlab.data.ingest import ingest
from gaitlab.data.schema import MANIFEST
from gaitlab.data.store import Store
from gaitlab.walkers import presets
from tests.cluster.cluster import Cluster

torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("GAITLAB_SHARED", ROOT.parent / "shared"))

TINY = replace(presets.TINY, name="tiny", modalities=("silhouette",))
"""11 people, 352 walks: the smallest set on which every link of the chain has something to do."""


@pytest.fixture(scope="session")
def tiny_store() -> Store:
    """Shards of TINY in the tests' home, made once."""
    root = Path(os.environ["GAITLAB_HOME"]) / "data" / f"tiny-{TINY.checksum()[:8]}"
    return Store(root) if (root / MANIFEST).exists() else ingest(TINY, root, progress=False)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The one Ray cluster of all tests that do not kill it: two CPUs, with a dashboard. Pipelines join it by `cluster.env`."""
    started = Cluster()
    try:
        started.start()
        yield started
    finally:
        started.stop()


FIRST = ("tests/cluster/", "tests/test_cod2_pipeline.py", "tests/tracking/", "tests/test_command.py", "tests/reports/", "tests/interop/")
"""What takes longest starts first, so that no worker waits for the other at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((i for i, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay together, in one worker; so do all that need the Ray cluster.

    xdist 3.8's own groups do nothing in pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return FIRST[0] if nodeid.startswith(FIRST[0]) else nodeid.partition("::")[0]

    return ByFile(config, log)
