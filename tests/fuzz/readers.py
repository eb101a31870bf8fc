"""The readers of files that may come from others, by name: whole files to start from, and a function of bytes. One more is one more row."""

import hashlib
import io
import json
import pickle
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml

from experiments import ALL
from gaitlab.config import to_dict
from gaitlab.data.check import check
from gaitlab.data.ingest import ingest
from gaitlab.data.schema import MANIFEST, read_manifest
from gaitlab.data.sources.masks import masks, seen
from gaitlab.data.sources.opengait import as_silhouettes
from gaitlab.data.sources.partition import read_partition
from gaitlab.data.sources.pickles import read_array
from gaitlab.guard import printable
from gaitlab.interop.opengait.recipe import read_recipe
from gaitlab.interop.opengait.weights import load_checkpoint
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import CONFIG, OUTCOME, read_config, read_outcome, write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.walkers.mocap.acclaim import from_folder
from gaitlab.walkers.mocap.recording import from_npz
from tests.data.noise import Noise
from tests.interop import configs
from tests.walkers.test_acclaim import GOOD, MOVED
from tests.walkers.test_mocap import recording

Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Reader:
    """examples: whole files. file: what the file is called in the folder that is read. read: what is done with that folder."""

    examples: Callable[[], Sequence[bytes]]
    file: str
    read: Read
    beside: Callable[[], Mapping[str, bytes]] = dict
    """The other files there."""

    def __call__(self, content: bytes) -> None:
        """Read `content`. ValueError of one line for what cannot be read; AssertionError where more happens than that."""
        with tempfile.TemporaryDirectory(prefix="gaitlab-fuzz-") as top:
            folder = Path(top) / "in" / "folder"
            folder.mkdir(parents=True)
            for name, beside in self.beside().items():
                (folder / name).write_bytes(beside)
            (folder / self.file).write_bytes(content)
            before = sorted(folder.rglob("*"))
            wrong: ValueError | None = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    self.read(folder)
                except ValueError as error:
                    wrong = error
            if wrong is not None:
                printable(str(wrong)).encode()
                ours = type(wrong) is ValueError or type(wrong).__module__.startswith("gaitlab.")
                assert ours, f"{type(wrong).__name__} is not ours: {wrong}"
                assert "\n" not in str(wrong).replace("\n  ", ""), f"not one line: {wrong!r}"
            assert sorted(folder.rglob("*")) == before, "files were written or removed"
            assert [path.name for path in Path(top).iterdir()] == ["in"], "a file lies outside"
            assert [path.name for path in (Path(top) / "in").iterdir()] == ["folder"], "a file lies outside"


def frames() -> np.ndarray:
    out = np.zeros((4, 32, 24), np.uint8)
    for i, frame in enumerate(out):
        cv2.ellipse(frame, (11 + i % 3, 16), (4, 15), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return out


def pickles() -> list[bytes]:
    hard = frames() // 255 * np.uint8(2)
    ragged = np.array([hard[0], hard[1][:9]], object)
    return [pickle.dumps(frames(), protocol) for protocol in range(6)] + [*map(pickle.dumps, (list(hard), hard > 0, ragged, {"a": 1}))]


def saved(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def images() -> list[bytes]:
    grey = cv2.resize(frames()[0], (48, 64))
    colour = cv2.merge([grey, grey // 2, grey * 0])
    kinds = {
        ".png": [grey, grey.astype(np.uint16) * 257, colour, cv2.merge([colour, 255 - grey])],
        ".bmp": [grey, colour],
        ".jpg": [grey, colour],
    }
    return [cv2.imencode(ending, image)[1].tobytes() for ending, drawn in kinds.items() for image in drawn]


def partitions() -> list[bytes]:
    text = json.dumps({"TRAIN_SET": ["001", "José"], "TEST_SET": [3], "PROBE_SET": ["3-a-b"], "GALLERY_SET": []}, ensure_ascii=False)
    return [text.encode(encoding) for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")]


@cache
def shards() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        root = ingest(Noise(subjects=2, walks_each=2), Path(folder) / "set", subjects_per_shard=2, progress=False).root
        return {path.name: path.read_bytes() for path in root.iterdir()}


def agreeing(folder: Path) -> None:
    """Checks a shard whose manifest has its size and sha256, as that of a stranger would."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    (shard,) = manifest["shards"]
    content = (folder / shard["file"]).read_bytes()
    shard |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    check(folder)


def checkpoints() -> list[bytes]:
    state = {"format": checkpoint.FORMAT, "step": 1, "config": "{}", "method": {"a": torch.zeros(3)}, "best": {"step": 1}}
    return [saved(lambda file: torch.save(state, file))]


def peer_checkpoints() -> list[bytes]:
    state = {"model": {"a.weight": torch.zeros(2, 2)}, "optimizer": {"state": {}, "param_groups": []}, "iteration": 1}
    return [saved(lambda file: torch.save(state, file)), saved(lambda file: torch.save(state, file, _use_new_zipfile_serialization=False))]


def settings() -> list[bytes]:
    named = (configs.GAITSET_CASIA_B, configs.GAITBASE_CASIA_B, configs.DEEPGAITV2_SUSTECH1K)
    return [yaml.safe_dump(config).encode() for config in named]


def experiments() -> list[bytes]:
    return [json.dumps(to_dict(ALL[name])).encode() for name in ("demo", "gaitbase-walkers-small", "cod2-walkers-mini")]


def outcomes() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_outcome(Path(folder), Summary(metrics={"a/rank1": 50.0}, subjects={"a": {"1": (1.0, 2.0)}}, headline=50.0))
        return [(Path(folder) / OUTCOME).read_bytes()]


def skeletons() -> list[bytes]:
    return [GOOD.encode("latin-1")]


def clips() -> list[bytes]:
    return ["\n".join(MOVED.splitlines()[:100]).encode("latin-1")]


def recordings() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [recording(Path(folder) / "a.npz").read_bytes()]


READERS: dict[str, Reader] = {
    "pickle": Reader(pickles, "a.pkl", lambda folder: as_silhouettes(read_array(folder / "a.pkl"), str(folder / "a.pkl"))),
    "npy": Reader(lambda: [saved(lambda file: np.save(file, frames()))], "a.npy", lambda folder: read_array(folder / "a.npy")),
    "image": Reader(images, "a.png", lambda folder: [seen(mask) for mask in masks([folder / "a.png"])[0]]),
    "partition": Reader(partitions, "p.json", lambda folder: read_partition(folder / "p.json")),
    "manifest": Reader(lambda: [shards()[MANIFEST]], MANIFEST, read_manifest),
    "shard": Reader(lambda: [shards()["part-00000.parquet"]], "part-00000.parquet", agreeing, lambda: {MANIFEST: shards()[MANIFEST]}),
    "checkpoint": Reader(checkpoints, "step-00000001.pt", lambda folder: checkpoint.read(folder / "step-00000001.pt")),
    "OpenGait checkpoint": Reader(peer_checkpoints, "a.pt", lambda folder: load_checkpoint(folder / "a.pt")),
    "OpenGait settings": Reader(settings, "a.yaml", lambda folder: read_recipe(folder / "a.yaml")),
    "config": Reader(experiments, CONFIG, read_config),
    "outcome": Reader(outcomes, OUTCOME, read_outcome),
    "asf": Reader(skeletons, "07.asf", from_folder, lambda: {"07_01.amc": clips()[0]}),
    "amc": Reader(clips, "07_01.amc", from_folder, lambda: {"07.asf": skeletons()[0]}),
    "npz": Reader(recordings, "a.npz", lambda folder: from_npz(folder / "a.npz")),
}
