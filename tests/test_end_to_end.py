"""Raw files to a result table by the commands that the README prints: pickles in the OpenGait layout, and recorded walks."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHARED, TINY
from tests.test_command import pipeline

NETWORK = [
    "--method.backbone.channels", "4", "8", "8", "8", "--method.embedding", "8", "--method.clip.frames", "4", "--train.steps", "3",
    "--train.precision", "float32", "--train.log-every", "1", "--optim.lr", "0.001", "--no-tracking",
]  # fmt: skip


def casia_b(root: Path) -> Path:
    """Six people of the tiny walkers as CASIA-B: ID/TYPE/VIEW/VIEW.pkl and a partition; returns the partition."""
    types = {(): ("nm-01", "nm-05"), ("bag",): ("bg-01", "bg-02"), ("clothing",): ("cl-01", "cl-02")}
    walks = [w for w in TINY.walks() if w.split == "train" and w.conditions in types]
    names = sorted({w.subject for w in walks})
    for walk in walks:
        folder = root / f"{names.index(walk.subject) + 1:03d}" / types[walk.conditions][int(walk.session) - 1] / walk.view
        folder.mkdir(parents=True)
        (folder / f"{walk.view}.pkl").write_bytes(pickle.dumps(TINY.load(walk)["silhouette"]))
    ids = [f"{i + 1:03d}" for i in range(len(names))]
    partition = root.parent / "partition.json"
    partition.write_text(json.dumps({"TRAIN_SET": ids[:4], "TEST_SET": ids[4:]}))
    return partition


def test_pickles_in_the_opengait_layout_to_a_table(tmp_path: Path) -> None:
    partition = casia_b(tmp_path / "raw")
    out = tmp_path / "shards"
    arguments = ["--root", str(tmp_path / "raw"), "--layout", "casia-b", "--partition", str(partition), "--out", str(out)]
    made = pipeline("ingest.py", "opengait", *arguments)
    assert made.returncode == 0, made.stderr
    checked = pipeline("ingest.py", "check", str(out))
    assert checked.returncode == 0, checked.stdout
    batch = ["--data.subjects-per-batch", "4", "--data.walks-per-subject", "2"]
    trained = pipeline("local.py", "gaitbase-casia-b", "--data.root", str(out), *batch, *NETWORK)
    assert trained.returncode == 0, trained.stderr
    table = trained.stdout.split("benchmark rank-1")[1]
    assert [line.split()[-5] for line in table.splitlines() if line.count(".") == 4] == ["chance", "GEI", "LDA", "gaitbase-casia-b"]
    assert 0 <= float(table.split("\nrank-1 ")[1].split()[0]) <= 100


@pytest.mark.skipif(not (SHARED / "data" / "cmu_walks.npz").exists(), reason="the recorded walks lie beside the checkout")
def test_recorded_walks_to_a_table(tmp_path: Path) -> None:
    """The same recording as training and, under another name, as test data: all links, no claim."""
    npz = str(SHARED / "data" / "cmu_walks.npz")
    for split in ("train", "test"):
        common = ["--root", npz, "--out", str(tmp_path / split), "--split", split, "--views", "0", "90", "--window", "60"]
        made = pipeline("ingest.py", "mocap", *common)
        assert made.returncode == 0, made.stderr
    root = tmp_path / "train"
    elsewhere = ["--data.root", str(root), "--data.subjects-per-batch", "4", "--data.walks-per-subject", "2"]
    trained = pipeline("local.py", "gaitbase-casia-b", *elsewhere, *NETWORK, "--benchmarks.0.protocol", "mocap@train")
    assert trained.returncode == 0, trained.stderr
    run = trained.stdout.split("--resume ")[1].split()[0]
    tested = pipeline("evaluate.py", run, "--root", str(tmp_path / "test"), "--protocols", "mocap")
    assert tested.returncode == 0, tested.stderr
    assert "GEI on test" in tested.stdout
    assert np.isfinite(float(tested.stdout.split("\nrank-1 ")[1].split()[0]))
