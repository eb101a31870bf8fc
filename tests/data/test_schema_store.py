"""Shards: written, read back by gaitlab and by plain pyarrow and pandas, and found out when damaged."""

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gaitlab.data import frame_map
from gaitlab.data.coding import decode, decode_rows, encode, is_binary
from gaitlab.data.ingest import ingest
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from gaitlab.home import write_plain


@dataclass(frozen=True, kw_only=True)
class Random(SourceConfig):
    """Binary silhouettes of 20x12 for all, 3-channel depth for some walks of subject a."""

    name: str = "random"
    grey: bool = False
    seed: int = 0

    def walks(self) -> Sequence[Walk]:
        has = {"c": ("silhouette",), "a": ("depth", "silhouette"), "b": ("silhouette",)}
        splits = {"a": "train", "b": "train", "c": "test"}
        return [
            Walk(subject=s, session=day, conditions=c, view=v, take="1", split=splits[s], files=dict.fromkeys(has[s], "x"))
            for s in has
            for day in ("1", "2")
            for c in ((), ("bag", "night"))
            for v in ("000", "090")
        ]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, *walk.key.encode()])
        t = int(rng.integers(1, 9))
        frames: dict[str, np.ndarray] = {"silhouette": rng.choice(np.array([0, 255], np.uint8), (t, 20, 12))}
        if self.grey and walk.subject == "b":
            frames["silhouette"] = rng.integers(0, 256, (t, 20, 12), np.uint8)
        if "depth" in walk.files:
            frames["depth"] = rng.integers(0, 256, (t + 1, 3, 10, 10), np.uint8)
        return frames

    def checksum(self) -> str:
        return repr(self)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(ingest(Random(), tmp_path / "set", subjects_per_shard=2, progress=False).root, cache=tmp_path / "cache")


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 64, 44), (3, 7, 5), (2, 1, 3)])
@pytest.mark.parametrize("binary", [True, False])
def test_coding_is_exact(shape: tuple[int, int, int], binary: bool) -> None:
    rng = np.random.default_rng(0)
    frames = rng.choice(np.array([0, 255], np.uint8), (5, *shape)) if binary else rng.integers(0, 256, (5, *shape), np.uint8)
    data, coding = encode(frames)
    assert coding == ("bits" if binary else "bytes")
    assert np.array_equal(decode(data, coding, 5, shape), frames)
    assert np.array_equal(decode_rows(data, coding, 5, shape, packed=False), frames.reshape(5, -1))
    if binary:
        assert np.array_equal(decode_rows(data, coding, 5, shape, packed=True), np.packbits(frames.reshape(5, -1), axis=1))


def test_only_0_and_255_are_binary() -> None:
    assert is_binary(np.array([0, 255], np.uint8))
    for value in (1, 127, 254):
        assert not is_binary(np.array([0, 255, value], np.uint8))


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="are not 2 frames"):
        decode(b"123", "bytes", 2, (1, 2, 2))
    with pytest.raises(ValueError, match="unknown coding"):
        decode(b"123", "jpeg", 2, (1, 2, 2))


def test_index_has_one_row_per_walk(store: Store) -> None:
    index, source = store.index, Random()
    walks = {walk.key: walk for walk in source.walks()}
    assert list(index["subject"]) == sorted(index["subject"])
    assert set(index["key"]) == walks.keys()
    row = index[index["key"] == "c/2/bag+night/1/090"].iloc[0]
    assert (row["dataset"], row["session"], row["conditions"], row["view"], row["take"]) == ("random", "2", ("bag", "night"), "090", "1")
    assert (row["split"], row["role"], row["depth_frames"]) == ("test", "", 0)
    for _, row in index.iterrows():
        loaded = source.load(walks[row["key"]])
        assert {m: len(frames) for m, frames in loaded.items()} == {
            m: row[f"{m}_frames"] for m in ("silhouette", "depth") if row[f"{m}_frames"]
        }


@pytest.mark.parametrize("grey", [False, True])
def test_frames_come_back_from_the_map(tmp_path: Path, grey: bool) -> None:
    source = Random(grey=grey)
    store = Store(ingest(source, tmp_path / "set", progress=False).root, cache=tmp_path / "cache")
    walks = {walk.key: walk for walk in source.walks()}
    silhouettes, depth = store.frames("silhouette"), store.frames("depth")
    assert silhouettes.packed is not grey
    assert (silhouettes.shape, depth.shape, depth.packed) == ((1, 20, 12), (3, 10, 10), False)
    assert silhouettes.data.shape == (silhouettes.offsets[-1], 30 if silhouettes.packed else 240)
    for row, key in enumerate(store.index["key"]):
        loaded = source.load(walks[key])
        assert np.array_equal(silhouettes.walk(row)[:, 0], loaded["silhouette"])
        if "depth" in loaded:
            assert np.array_equal(depth.walk(row), loaded["depth"])
        else:
            assert depth.walk(row).shape == (0, 3, 10, 10)


def test_plain_pandas_reads_a_shard(store: Store) -> None:
    """The three lines that `gaitlab.data.coding` documents, on what pandas gives."""
    table = pd.concat(pd.read_parquet(path) for path in sorted(store.root.glob("*.parquet")))
    for i, row in enumerate(table.itertuples()):
        t, (c, h, w) = row.silhouette_frames, row.silhouette_shape
        pixels = np.frombuffer(row.silhouette, np.uint8)
        assert row.silhouette_coding == "bits"
        pixels = 255 * np.unpackbits(pixels.reshape(t, -1), axis=1, count=c * h * w)
        assert np.array_equal(pixels.reshape(t, c, w, h).swapaxes(2, 3), store.frames("silhouette").walk(i))


def test_a_row_group_is_a_subject(store: Store) -> None:
    seen: list[str] = []
    for path in sorted(store.root.glob("*.parquet")):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            subjects = set(file.read_row_group(group, columns=["subject"])["subject"].to_pylist())
            assert len(subjects) == 1
            seen += subjects
    assert seen == ["a", "b", "c"]


def test_manifest_counts_and_hashes(store: Store, tmp_path: Path) -> None:
    manifest = store.manifest
    assert manifest["splits"]["train"] == {"walks": 16, "subjects": 2}
    assert manifest["splits"]["test"] == {"walks": 8, "subjects": 1}
    assert manifest["modalities"]["silhouette"]["frames"] == store.index["silhouette_frames"].sum()
    other = ingest(Random(), tmp_path / "other", subjects_per_shard=1, progress=False)
    assert [len(s.manifest["shards"]) for s in (store, other)] == [2, 3]
    assert other.hash == store.hash, "the hash is of the content, not of its division into files"
    assert ingest(Random(seed=1), tmp_path / "third", progress=False).hash != store.hash


def test_many_may_open_the_map_at_once(store: Store, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        maps = list(pool.map(lambda _: Store(store.root, cache=tmp_path / "shared").frames("silhouette"), range(4)))
    assert all(np.array_equal(one.data, maps[0].data) for one in maps)
    assert sorted(p.name for p in (tmp_path / "shared" / store.hash).iterdir()) == ["silhouette", "silhouette.lock"]


def test_unknown_modality(store: Store) -> None:
    with pytest.raises(ValueError, match="has no 'range'; it has depth, silhouette"):
        store.frames("range")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(("damage", "why"), [(_flip, "sha256"), (_cut, "bytes instead of"), (Path.unlink, "is missing")])
def test_a_damaged_shard_is_named(store: Store, damage: object, why: str) -> None:
    damage(store.root / "part-00001.parquet")  # type: ignore[operator]
    with pytest.raises(ValueError, match=f"part-00001.parquet is corrupt: .*{why}") as caught:
        store.frames("silhouette")
    assert "\n" not in str(caught.value)
    assert not any(path.is_dir() for path in store.root.parent.glob("cache/*/*")), "no half-built map is left"
    with pytest.raises(ValueError, match="is corrupt"):
        _ = Store(store.root).index


def test_no_bit_of_a_shard_changes_a_label_silently(store: Store) -> None:
    """Also where the labels have been verified before, and in the columns that no frame is in."""
    before = store.index
    path = store.root / "part-00001.parquet"
    content = path.read_bytes()
    place = np.random.default_rng(0).integers(0, len(content), 60)
    for byte in [*place, *range(len(content) - 400, len(content), 13)]:
        damaged = bytearray(content)
        damaged[byte] ^= 1 << int(byte) % 8
        path.write_bytes(damaged)
        try:
            assert Store(store.root, cache=store._cache).index.equals(before), "a label was read that is not the walk's"
        except ValueError as error:
            assert "part-00001.parquet is corrupt" in str(error)  # noqa: PT017  (either is right)
    path.write_bytes(content)
    assert Store(store.root, cache=store._cache).index.equals(before)


def test_a_manifest_of_other_walks_is_found_out(store: Store) -> None:
    _ = store.index
    file = store.root / "_manifest.json"
    written = file.read_text()
    file.write_text(written.replace(store.hash, store.hash[::-1]))
    with pytest.raises(ValueError, match=r"_manifest.json is damaged \(its content is not what was written\); ingest"):
        Store(store.root)
    write_plain(file, store.manifest | {"hash": store.hash[::-1]})  # or one of before, which has no checksum
    with pytest.raises(ValueError, match=r"_manifest.json is damaged \(its hash is of other walks\); ingest"):
        _ = Store(store.root, cache=store._cache).index


def test_what_is_no_folder_of_shards(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        Store(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is no folder of shards"):
        Store(tmp_path / "empty")
    copy = tmp_path / "copy"
    shutil.copytree(store.root, copy)
    (copy / "_manifest.json").write_text(json.dumps(store.manifest | {"schema": 99}))
    with pytest.raises(ValueError, match="schema version 99"):
        Store(copy)
    (copy / "_manifest.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        Store(copy)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda m: m.pop("hash"), "hash"),
        (lambda m: m.update(hash="../../elsewhere"), "hash"),
        (lambda m: m.pop("modalities"), "modalities"),
        (lambda m: m["modalities"]["silhouette"].update(shape="x"), "silhouette"),
        (lambda m: m["shards"].pop(), "24 walks in 1 shards"),
        (lambda m: m.update(walks=3), "3 walks in 2 shards"),
        (lambda m: m["shards"][0].pop("sha256"), "sha256"),
        (lambda m: m["shards"][0].update(file="../part-00000.parquet"), "shard"),
        (lambda m: m.update(shards=7), "not iterable"),
    ],
)
def test_an_edited_manifest_is_found_out(store: Store, edit: Callable[[dict[str, Any]], object], why: str) -> None:
    manifest = json.loads(json.dumps(store.manifest))
    edit(manifest)
    (store.root / "_manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=f"_manifest.json is damaged .*{why}"):
        Store(store.root)


@pytest.mark.parametrize("file", ["meta.json", "offsets.npy", "data.bin"])
def test_a_damaged_memory_map_is_named(store: Store, tmp_path: Path, file: str) -> None:
    store.frames("silhouette")
    path = tmp_path / "cache" / store.hash / "silhouette" / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"memory map .*silhouette is damaged"):
        store.frames("silhouette")
    path.unlink()
    with pytest.raises(ValueError, match="delete that folder"):
        store.frames("silhouette")


def test_each_block_of_a_memory_map_is_verified_before_its_first_use(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the right size is not of the right content: one bit, or zeros, or the offsets of other walks."""
    monkeypatch.setattr(frame_map, "BLOCK", 100)  # three frames of 30 bytes
    frames = store.frames("silhouette")
    want, folder = np.asarray(frames.data).copy(), tmp_path / "cache" / store.hash / "silhouette"
    assert len(np.load(folder / "sums.npy")) == -(-len(want) // 3)
    whole = (folder / "data.bin").read_bytes()
    flipped = bytearray(whole)
    flipped[30 * 7] ^= 16  # row 7, in the third block
    (folder / "data.bin").write_bytes(flipped)
    frames = store.frames("silhouette")
    assert np.array_equal(np.take(frames.data, np.array([[0, 5], [9, -1]]), axis=0), want[[[0, 5], [9, -1]]])
    assert np.array_equal(frames.data[2:6], want[2:6])
    for ask in (lambda: np.take(frames.data, np.array([6, 1]), axis=0), lambda: frames.data[5:7], lambda: np.asarray(frames.data)):
        with pytest.raises(ValueError, match=r"silhouette is damaged \(block 2 of data.bin .*delete that folder and it is built again"):
            ask()
    (folder / "data.bin").write_bytes(bytes(len(whole)))
    with pytest.raises(ValueError, match=r"block 0 of data\.bin is not what was written"):
        store.frames("silhouette").walk(0)
    (folder / "data.bin").write_bytes(whole)
    offsets = np.load(folder / "offsets.npy")
    np.save(folder / "offsets.npy", np.r_[0, offsets[1:-1][::-1], offsets[-1]])
    with pytest.raises(ValueError, match="its content is not what was written"):
        store.frames("silhouette")


def test_a_map_of_before_has_no_checksums_and_is_built_again(store: Store, tmp_path: Path) -> None:
    want = np.asarray(store.frames("silhouette").data).copy()
    folder = tmp_path / "cache" / store.hash / "silhouette"
    (folder / "sums.npy").unlink()
    (folder / "data.bin").write_bytes(bytes((folder / "data.bin").stat().st_size))
    assert np.array_equal(store.frames("silhouette").data, want)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["silhouette", "silhouette.lock"]
