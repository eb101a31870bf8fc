"""Several data sets, learnt from as one."""

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gaitlab.data.feed import Feed
from gaitlab.data.ingest import ingest
from gaitlab.data.joined import JoinedStore
from gaitlab.data.shards import DataConfig, open_data, open_training
from gaitlab.data.source import Walk
from gaitlab.data.store import Store
from gaitlab.training.ready import prepare
from gaitlab.types import Augment, ClipSpec
from tests.conftest import TINY
from tests.data.noise import CPU, Noise
from tests.training.tiny import experiment

SPEC = ClipSpec(frames=4, order="ordered", augment=Augment(flip=0.5, rotate=0.5))


@dataclass(frozen=True, kw_only=True)
class Grey(Noise):
    """Silhouettes with grey edges, of other people of the same names."""

    name: str = "grey"
    subjects: int = 4

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        frames = np.random.default_rng(list(walk.key.encode())).integers(0, 256, (9, 64, 64), dtype=np.uint8)
        return {"silhouette": frames, "range": frames[::-1].copy()}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Store]:
    folder = tmp_path_factory.mktemp("parts")
    stores = [ingest(source, folder / source.name, progress=False) for source in (Noise(), Grey())]
    return [Store(store.root, cache=folder / "cache") for store in stores]


def test_every_walk_keeps_its_pixels_and_people_of_two_sets_are_two(parts: list[Store]) -> None:
    store = JoinedStore(parts)
    assert store.modalities == ["depth", "range", "silhouette"]
    assert len(store.index) == 35 + 20
    assert (store.index["range_frames"].iloc[:35] == 0).all()
    first, second = parts
    frames = store.frames("silhouette")
    assert not frames.packed
    assert np.array_equal(frames.walk(3), first.frames("silhouette").walk(3))
    assert np.array_equal(frames.walk(35 + 7), second.frames("silhouette").walk(7))
    assert np.array_equal(store.frames("range").walk(35), second.frames("range").walk(0))
    feed = Feed(store, {"gait": SPEC}, p=9, k=3, seed=0)
    assert feed.subjects == [*(f"grey/s{i}" for i in range(3)), *(f"noise/s{i}" for i in range(6))]
    batch = feed.batch(1, CPU)
    assert sorted(batch.subject.unique().tolist()) == list(range(9))
    plain = Feed(store, {"gait": replace(SPEC, augment=Augment())}, p=9, k=3, seed=0).batch(1, CPU)
    for row, clip in zip(plain.rows.tolist(), plain.clips["gait"], strict=True):
        part, own = (first, row) if row < 35 else (second, row - 35)
        walk = part.frames("silhouette").walk(own)[..., 10:54]
        assert all((walk == frame).all((1, 2, 3)).any() for frame in (clip * 255).round().byte().numpy())
    assert Feed(store, {"gait": replace(SPEC, modality="range")}, p=3, k=2, seed=0).left_out == 30


def test_it_travels_and_has_one_hash(parts: list[Store]) -> None:
    store = JoinedStore(parts)
    there = pickle.loads(pickle.dumps(store))
    assert there.hash == store.hash != JoinedStore(parts[::-1]).hash
    assert there.index.equals(store.index)


def test_what_does_not_join_is_said(parts: list[Store], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data sets noise, noise hold the same walks"):
        JoinedStore([parts[0], parts[0]])
    small = ingest(Small(), tmp_path / "small", progress=False)
    with pytest.raises(ValueError, match=r"silhouette frames of noise are \[1, 64, 64\], those of small \[1, 32, 32\]"):
        JoinedStore([parts[0], small])


def test_rates_are_known_where_all_agree(parts: list[Store], tmp_path: Path) -> None:
    fast = ingest(Fast(), tmp_path / "fast", progress=False)
    assert "fps" not in JoinedStore([parts[0], fast]).manifest["modalities"]["silhouette"]
    again = ingest(Fast(subjects=3), tmp_path / "again", progress=False)
    assert JoinedStore([fast, again]).manifest["modalities"]["silhouette"]["fps"] == 30


class Fast(Grey):
    def frame_rates(self) -> dict[str, float]:
        return {"silhouette": 30.0}


class Small(Grey):
    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        return {"silhouette": super().load(walk)["silhouette"][:, :32, :32]}


def test_an_experiment_learns_from_both_and_is_tested_on_the_first(tiny_store: Store, tmp_path: Path) -> None:
    other = ingest(replace(TINY, seed=5, train_subjects=3, validation_subjects=0, test_subjects=0), tmp_path / "other", progress=False)
    tiny = experiment(TINY)
    both = replace(tiny, data=replace(tiny.data, root=str(tiny_store.root), make=None, more=(str(other.root),)))
    ready = prepare(both)
    assert (ready.store.hash, ready.tests[0][0].hash) == (tiny_store.hash, tiny_store.hash)
    assert ready.training.hash == JoinedStore([tiny_store, other]).hash
    assert isinstance(open_training(DataConfig(root=str(other.root))), Store)
    assert open_data(both.data).hash == tiny_store.hash
    people = Feed(ready.training, both.method.clips(), p=4, k=2, seed=0).subjects
    assert people == [*(f"tiny-2/train0000{i}" for i in (1, 2, 3)), *(f"tiny/train0000{i}" for i in range(1, 7))]
