"""Fixtures: stores of noise."""

import pytest

from gaitlab.data.ingest import ingest
from gaitlab.data.store import Store
from tests.data.noise import Noise, Sensors


@pytest.fixture(scope="module")
def sensors(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("sensors")
    return Store(ingest(Sensors(), folder / "shards", progress=False).root, cache=folder / "cache")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("noise")
    return Store(ingest(Noise(), folder / "shards", progress=False).root, cache=folder / "cache")
