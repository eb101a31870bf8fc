"""From a data config to the folder that it means."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gaitlab.command import check_data
from gaitlab.data.shards import DataConfig, makes_others, open_data, shard_folder
from gaitlab.data.store import Store
from gaitlab.walkers.wild import WildWalkersSource
from tests.conftest import TINY


def test_shards_of_other_values_are_not_taken_for_those_that_are_asked_for(tiny_store: Store, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_store.root, tmp_path / "named"))
    named = DataConfig(root=str(folder), make=TINY)
    other = replace(named, make=replace(TINY, seed=TINY.seed + 1))
    assert open_data(named).root == folder
    with pytest.raises(ValueError, match=r"named holds other walks than --data.make asks for; give these another --data.root"):
        check_data(named, other)
    check_data(named, named)
    check_data(other, other)  # shards of a user's own, given to an experiment as they are
    elsewhere = replace(other, root=str(tmp_path / "elsewhere"))
    check_data(named, elsewhere)
    assert shard_folder(elsewhere) == tmp_path / f"elsewhere-{replace(TINY, seed=TINY.seed + 1).checksum()[:8]}"
    assert not makes_others(replace(named, make=None))
    assert not makes_others(replace(named, make=WildWalkersSource()))
