"""Ingest: the same bytes whoever computes them, bad walks listed, and nothing half-written whatever happens."""

import resource
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gaitlab.data.ingest import ingest, processes
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from tests.processes import Started


@dataclass(frozen=True, kw_only=True)
class Noise(SourceConfig):
    """Random 16x16 frames; walks whose take is in `bad` have a fault."""

    name: str = "noise"
    subjects: int = 6
    frames: int = 5
    bad: tuple[tuple[str, str], ...] = ()
    """(take, fault)."""
    wait: float = 0.0
    """Seconds per walk."""

    def walks(self) -> Sequence[Walk]:
        faults = dict(self.bad)
        takes = ["1", "1" if "twice" in faults.values() else "2", "3"]
        ids = [f"{i:02d}" for i in range(self.subjects)]
        return [Walk(subject=subject, take=take, source=f"raw/{subject}/{n}") for subject in ids for n, take in enumerate(takes)]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        time.sleep(self.wait)
        frames = np.random.default_rng(list(walk.key.encode())).integers(0, 256, (self.frames, 16, 16), np.uint8)
        faults = {
            "float": lambda: {"silhouette": frames / 255},
            "empty": lambda: {"silhouette": frames[:0]},
            "flat": lambda: {"silhouette": frames[0]},
            "wide": lambda: {"silhouette": frames[:, :8]},
            "nothing": dict,
            "other": lambda: {"silhouette": frames, "depth": frames},
        }
        return faults.get(dict(self.bad).get(walk.take, ""), lambda: {"silhouette": frames})()

    def checksum(self) -> str:
        return repr(self)


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(root.glob("*.parquet"))}


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    one = ingest(Noise(), tmp_path / "one", progress=False)
    two = ingest(Noise(), tmp_path / "two", run=processes(2), progress=False)
    assert contents(one.root) == contents(two.root)
    assert len(contents(one.root)) == 6
    assert one.hash == two.hash
    assert one.manifest["shards"] == two.manifest["shards"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("float", "raw/00/1, silhouette: pixels are float64"),
        ("empty", "raw/00/1, silhouette: the walk is empty"),
        ("flat", "is neither \\[frames, h, w\\]"),
        ("wide", "silhouette frames are 1x8x16, those of other walks 1x16x16"),
        ("nothing", "raw/00/1: the walk has no frames"),
        ("other", "raw/00/1: has depth, which other walks of this source lack"),
        ("twice", "duplicate walk 00/-/-/1/-: raw/00/0, raw/00/1"),
    ],
)
def test_bad_walks_are_listed_and_nothing_is_left(tmp_path: Path, fault: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        ingest(Noise(bad=(("2", fault),)), tmp_path / "out", progress=False)
    assert len(str(caught.value).splitlines()) == 7, "a head line and one for each of the six"
    assert list(tmp_path.iterdir()) == []


def test_one_bad_walk_is_one_line_and_many_are_twenty(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="raw/00/1") as caught:
        ingest(Noise(subjects=1, bad=(("2", "empty"),)), tmp_path / "out", progress=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="20 problems, nothing was written") as caught:
        ingest(Noise(subjects=30, bad=(("2", "empty"),)), tmp_path / "out", progress=False)
    assert len(str(caught.value).splitlines()) == 21


def test_shards_that_disagree_are_an_error(tmp_path: Path) -> None:
    """Each subject has its own shard here, and within it all frames are alike."""

    @dataclass(frozen=True, kw_only=True)
    class Uneven(Noise):
        def load(self, walk: Walk) -> dict[str, np.ndarray]:
            return {"silhouette": np.zeros((2, 16, 16 if walk.subject == "00" else 12), np.uint8)}

    with pytest.raises(ValueError, match=r"1x16x12.*those of other walks 1x16x16"):
        ingest(Uneven(subjects=2), tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_kept_unless_told(tmp_path: Path) -> None:
    first = ingest(Noise(), tmp_path / "out", progress=False)
    with pytest.raises(ValueError, match="--overwrite"):
        ingest(Noise(subjects=3), tmp_path / "out", progress=False)
    with pytest.raises(ValueError, match="is empty"):
        ingest(Noise(bad=(("2", "empty"),)), tmp_path / "out", overwrite=True, progress=False)
    assert Store(tmp_path / "out").hash == first.hash, "a failed replacement leaves the old shards"
    assert len(ingest(Noise(subjects=3), tmp_path / "out", overwrite=True, progress=False).index) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="is no folder of shards"):
        ingest(Noise(), tmp_path / "mine", overwrite=True, progress=False)


def test_large_subjects_are_several_row_groups(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Probes(Noise):
        def walks(self) -> Sequence[Walk]:
            return [Walk(subject="probe", take=str(i)) for i in range(1500)]

        def load(self, walk: Walk) -> dict[str, np.ndarray]:
            return {"silhouette": np.full((1, 2, 2), int(walk.take) % 256, np.uint8)}

    store = ingest(Probes(), tmp_path / "out", progress=False)
    assert [shard["rows"] for shard in store.manifest["shards"]] == [1000, 500]
    assert [int(store.frames("silhouette").walk(i)[0, 0, 0, 0]) for i in range(1500)] == [int(take) % 256 for take in store.index["take"]]


def child(out: Path, noise: Noise, largest: int | None = None) -> None:
    """largest: bytes of a file."""
    if largest:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    try:
        ingest(noise, out, progress=False)
    except ValueError as error:
        print(error)


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A file size limit stands for the full disk: the write fails in the same place."""
    said = Started(child, tmp_path / "out", Noise(frames=100), 50_000).communicate(60)
    assert said.startswith("no space left on the device of")
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_nothing_that_looks_finished_and_the_next_clears_up(tmp_path: Path) -> None:
    process = Started(child, tmp_path / "out", Noise(subjects=40, wait=0.1))
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out.partial-*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.glob("out.partial-*"))) == 1
    ingest(Noise(), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
