"""From a data config to the folder that it means."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gaitlab.command import check_data
from gaitlab.config import override
from gaitlab.data.planned import planned_store
from gaitlab.data.shards import expected_data, makes_others, open_data, shard_folder
from gaitlab.data.source import SourceConfig
from gaitlab.data.store import Store
from gaitlab.experiment import Experiment
from gaitlab.home import check_room, home
from gaitlab.walkers.wild import WildWalkersSource
from tests.conftest import TINY
from tests.training.tiny import experiment


def on(root: Path | str, source: SourceConfig | None = TINY) -> Experiment:
    return override(experiment(TINY), {"data.root": str(root), "data.make": source})


def test_shards_of_other_values_are_not_taken_for_those_that_are_asked_for(tiny_store: Store, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_store.root, tmp_path / "named"))
    named, others = on(folder), replace(TINY, seed=TINY.seed + 1)
    assert open_data(named.data).root == folder
    with pytest.raises(ValueError, match=r"named holds other walks than --data.make asks for; give these another --data.root"):
        check_data(named, on(folder, others))
    check_data(named, named)
    check_data(on(folder, others), on(folder, others))  # shards of a user's own, given to an experiment as they are
    check_data(named, on("elsewhere", others))
    assert shard_folder(on("elsewhere", others).data) == home() / "data" / f"elsewhere-{others.checksum()[:8]}"
    assert not makes_others(replace(named.data, make=None))
    assert not makes_others(replace(named.data, make=WildWalkersSource()))


def test_walks_are_made_under_a_plain_name_only_and_not_for_a_typing_error(tiny_store: Store, tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "absent", "../beside", ".", ".."):
        data = on(root).data
        for opened in (open_data, expected_data):
            with pytest.raises(ValueError, match=r"walks are made under a plain name in .*data only: --data.root NAME, or write"):
                opened(data)
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ValueError, match=r"no shards in tinny, nor .*; those of tiny are made where --data.root is left out"):
        check_data(on("tiny"), on("tinny"))
    check_data(on("tiny"), on(tiny_store.root))
    with pytest.raises(ValueError, match=r"no shards in .*stranger-.*, and a test makes none"):
        open_data(on("stranger", replace(TINY, seed=9)).data, make=False)
    assert not [*(home() / "data").glob("*stranger*")]


def test_planned_data_are_what_is_made_then(tiny_store: Store) -> None:
    planned = planned_store(TINY, tiny_store.root)
    columns = list(planned.index.columns)
    assert set(columns) == set(tiny_store.index.columns)
    labels = [column for column in columns if not column.endswith("_frames")]
    assert planned.index[labels].equals(tiny_store.index[labels])
    for modality, facts in planned.manifest["modalities"].items():
        known = tiny_store.manifest["modalities"][modality]
        assert {**known, **facts, "frames": 0} == {**known, "frames": 0}
        assert facts["frames"] == pytest.approx(known["frames"], rel=0.3)


def test_room_is_asked_for_before_the_work(tmp_path: Path) -> None:
    check_room(tmp_path / "new", 1e3, "a file")
    with pytest.raises(ValueError, match=r"a file takes about 1000000000.0 GB, and .* GB are free in .*new; make room"):
        check_room(tmp_path / "new", 1e18, "a file")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", Path("/proc/nowhere")):
        with pytest.raises(ValueError, match="nothing can be written into"):
            check_room(folder, 0, "")
