"""SMPL parameters from prepared pickles to a batch, to the last bit."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from gaitlab.backbones.smplgait import SMPLGaitConfig
from gaitlab.data.feed import Feed
from gaitlab.data.ingest import ingest
from gaitlab.data.sources.opengait import OpenGaitSource
from gaitlab.data.store import Store
from gaitlab.data.vectors import pack, unpack
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.types import ClipSpec

USE = ("silhouette=sils-*", "smpl=smpls-*")


def body(subject: int, seq: int) -> np.ndarray:
    return np.random.default_rng([subject, seq]).normal(size=(9, 85)).astype(np.float32)


def raw(root: Path) -> OpenGaitSource:
    for subject in range(4):
        for seq in range(2):
            folder = root / f"{subject:04d}" / "camid0_videoid1" / f"seq{seq}"
            folder.mkdir(parents=True)
            frames = (np.random.default_rng(seq).random((9, 64, 64)) > 0.5).astype(np.uint8) * np.uint8(255)
            (folder / f"sils-seq{seq}.pkl").write_bytes(pickle.dumps(frames))
            (folder / f"smpls-seq{seq}.pkl").write_bytes(pickle.dumps(body(subject, seq)))
    (root / "partition.json").write_text(json.dumps({"TRAIN_SET": [f"{i:04d}" for i in range(4)], "TEST_SET": []}))
    return OpenGaitSource(root=str(root), layout="gait3d", partition=str(root / "partition.json"), use=USE)


def test_smpl_pickles_to_a_batch_and_through_the_network(tmp_path: Path) -> None:
    store = Store(ingest(raw(tmp_path / "raw"), tmp_path / "shards", progress=False).root, cache=tmp_path / "cache")
    backbone = SMPLGaitConfig(channels=(4, 4, 8), strips=(1, 1, 1), pool_after=(1, 2), hidden=(4, 4))
    config = SupervisedConfig(backbone=backbone, clip=ClipSpec(frames=5), embedding=4)
    feed = Feed(store, config.clips(), p=3, k=2, seed=0)
    batch = feed.batch(0, torch.device("cpu"))
    assert batch.clips["smpl"].shape == (6, 5, 85)
    for row, clip in zip(batch.rows.tolist(), batch.clips["smpl"].numpy(), strict=True):
        walk = store.index.iloc[row]
        known = body(int(walk["subject"]), int(walk["view"].removeprefix("seq")))
        assert all((known == frame).all(1).any() for frame in clip)
    method = config.build(4)
    method(batch, Rng(0, 0, range(len(batch)))).total().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_packing_is_exact_and_refuses_what_is_no_vector(tmp_path: Path) -> None:
    numbers = np.array([[0.0, -0.0, 1e-40, 3.4e38]], np.float32)
    assert unpack(torch.from_numpy(pack(numbers))).numpy().tobytes() == numbers.tobytes()
    for wrong in (np.zeros((2, 3), np.uint8), np.zeros(3, np.float32), np.full((1, 2), np.nan)):
        with pytest.raises(ValueError, match="is not \\[frames, numbers\\] of finite numbers"):
            pack(wrong)
    source = raw(tmp_path)
    file = tmp_path / "0002" / "camid0_videoid1" / "seq1" / "smpls-seq1.pkl"
    file.write_bytes(pickle.dumps(np.zeros((9, 85), np.int64)))
    with pytest.raises(ValueError, match=r"smpls-seq1\.pkl: smpl: int64"):
        ingest(source, tmp_path / "out", progress=False)
