"""Subjects as blocks of Ray's object store give the batches of the local memory map."""

import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import ray
import torch

from gaitlab.cluster.feed import WALKS, Blocks, RayFeed
from gaitlab.data.feed import Feed
from gaitlab.data.ingest import ingest
from gaitlab.data.joined import JoinedStore
from gaitlab.data.source import Walk
from gaitlab.data.store import Store
from gaitlab.types import Batch, ClipSpec
from tests.cluster.cluster import Cluster
from tests.data.noise import CLIPS, CPU, SENSED, Noise, Sensors, same

pytestmark = pytest.mark.cluster
SHARE = {"p": 4, "k": 3, "seed": 9}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("noise")
    return Store(ingest(Noise(), folder / "shards", subjects_per_shard=3, progress=False).root, cache=folder / "cache")


@pytest.fixture(scope="module")
def blocks(store: Store, cluster: Cluster) -> Iterator[Blocks]:
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    yield RayFeed.load(store, CLIPS)
    ray.shutdown()


def test_the_first_batches_are_those_of_the_local_feed(store: Store, blocks: Blocks) -> None:
    here = Feed(store, CLIPS, **SHARE)
    there = blocks(store, CLIPS, **SHARE)
    assert there.subjects == here.subjects
    for step, batch in enumerate(there.batches(0, 6, CPU)):
        assert same(batch, here.batch(step, CPU))


def test_range_views_and_drawn_skeleton_maps_are_those_of_the_local_feed(blocks: Blocks, tmp_path: Path) -> None:
    store = Store(ingest(Sensors(), tmp_path / "shards", progress=False).root, cache=tmp_path / "cache")
    there, here = RayFeed.load(store, SENSED)(store, SENSED, **SHARE), Feed(store, SENSED, **SHARE)
    for step in range(3):
        assert same(there.batch(step, CPU), here.batch(step, CPU))


def test_only_training_walks_are_loaded_a_person_a_block(blocks: Blocks) -> None:
    assert blocks.starts.tolist() == [5 * i for i in range(6)]
    held = [ray.get(ref) for ref in blocks.refs]
    assert [block["first"].to_pylist() for block in held] == [[start] for start in blocks.starts]


@dataclass(frozen=True, kw_only=True)
class Nobody(Noise):
    """Walks of nobody, more than a block has and on several shards, and two people."""

    name: str = "nobody"

    def walks(self) -> list[Walk]:
        some = [replace(walk, split="train") for walk in super().walks()[:10]]
        return [*(Walk(subject="", take=str(i), source=str(i)) for i in range(2 * WALKS + 5)), *some]


def test_walks_of_nobody_and_of_two_data_sets(store: Store, blocks: Blocks, tmp_path: Path) -> None:
    nobody = Store(ingest(Nobody(), tmp_path / "shards", subjects_per_shard=1, progress=False).root, cache=tmp_path / "cache")
    both = JoinedStore([store, nobody])
    loaded = RayFeed.load(both, CLIPS)
    assert loaded.starts.tolist() == [0, 5, 10, 15, 20, 25, 35, 35 + WALKS, 35 + 2 * WALKS, 40 + 2 * WALKS, 45 + 2 * WALKS]
    options = {"p": 5, "k": 4, "seed": 3, "draw": "walks"}
    there, here = loaded(both, CLIPS, **options), Feed(both, CLIPS, **options)
    assert there.walks == 30 + 2 * WALKS + 15
    for step in range(7):
        assert same(there.batch(step, CPU), here.batch(step, CPU))


def test_a_worker_opens_what_the_driver_has_loaded(store: Store, blocks: Blocks) -> None:
    @ray.remote(num_cpus=1)
    def work(blocks: Blocks, root: Path) -> Batch:
        return blocks(Store(root), CLIPS, **SHARE, rank=1, world=2).batch(2, torch.device("cpu"))

    got = ray.get(work.remote(blocks, store.root))
    assert same(got, Feed(store, CLIPS, **SHARE, rank=1, world=2).batch(2, CPU))
    assert len(pickle.dumps(blocks)) < 20_000


def test_an_absent_modality_is_named(store: Store, blocks: Blocks) -> None:
    with pytest.raises(ValueError, match="has no 'skeleton'; it has depth, silhouette"):
        RayFeed.load(store, {"gait": ClipSpec(modality="skeleton")})


def test_a_damaged_shard_is_named_and_rays_settings_stay_as_they_were(store: Store, blocks: Blocks, tmp_path: Path) -> None:
    size = ray.data.DataContext.get_current().target_max_block_size
    assert size is None or size > 1_000_000
    root = tmp_path / "damaged"
    shutil.copytree(store.root, root)
    shard = root / store.manifest["shards"][1]["file"]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=rf"^shard .*{shard.name} is corrupt: [^\n]*$"):
        RayFeed.load(Store(root), CLIPS)
