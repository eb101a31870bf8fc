"""Raw files to a result table by the commands that the README prints: pickles in the OpenGait layout, and recorded walks."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHARED, TINY
from tests.processes import pipeline

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


def grew(root: Path) -> Path:
    """Walks of the tiny walkers as GREW: two labelled videos of ten people, a probe of each, and two people to train on."""
    walks = [w for w in TINY.walks() if not w.conditions]
    names = sorted({w.subject for w in walks})[:10]
    for number, name in enumerate(names, 1):
        for place, walk in enumerate([w for w in walks if w.subject == name][:3]):
            folders = [root / ("probe/03" if place == 2 else f"{number:05d}/{place + 1:02d}") / f"video{number}{place}"]
            folders += [root / f"{number:05d}train/00/video{number}{place}"] if number < 3 else []
            for folder in folders:
                folder.mkdir(parents=True)
                (folder / "walk.pkl").write_bytes(pickle.dumps(TINY.load(walk)["silhouette"]))
    tests = [f"{number:05d}" for number in range(1, 11)]
    partition = root.parent / "partition.json"
    partition.write_text(json.dumps({"TRAIN_SET": ["00001train", "00002train"], "TEST_SET": [*tests, "probe"]}))
    return partition


def test_a_submission_and_its_local_proxy_by_one_command(tmp_path: Path) -> None:
    partition, out = grew(tmp_path / "raw"), tmp_path / "shards"
    made = pipeline(
        "ingest.py", "opengait", "--root", str(tmp_path / "raw"), "--layout", "grew", "--partition", str(partition), "--out", str(out)
    )
    assert made.returncode == 0, made.stderr
    asked = ["--data.subjects-per-batch", "2", "--data.walks-per-subject", "2", "--benchmarks.0.protocol", "grew"]
    trained = pipeline("local.py", "gaitbase-casia-b", "--data.root", str(out), *asked, *NETWORK)
    assert trained.returncode == 0, trained.stderr
    run = trained.stdout.split("--resume ")[1].split()[0]
    tested = pipeline("evaluate.py", run, "--protocols", "grew-submission", "grew")
    assert tested.returncode == 0, tested.stderr
    path = Path(tested.stdout.split("submission for grew-submission: ")[1].split()[0])
    lines = [line.split(",") for line in path.read_text().splitlines()]
    assert sorted(video for video, *_ in lines[1:]) == sorted(f"video{number}2" for number in range(1, 11))
    assert all(sorted(labels) == sorted([str(n) for n in range(1, 11)] * 2) for _, *labels in lines[1:])  # 20 of 20 videos
    (before,) = (line for line in trained.stdout.splitlines() if line.startswith("rank-1 "))
    assert tested.stdout.splitlines()[-1] == before


@pytest.mark.skipif(not (SHARED / "data" / "cmu_walks.npz").exists(), reason="the recorded walks lie beside the checkout")
def test_recorded_walks_to_a_table(tmp_path: Path) -> None:
    """The same recording as training and, under another name, as test data: all links, no claim."""
    npz, clips = str(SHARED / "data" / "cmu_walks.npz"), ["02_01", "02_02", "08_01", "08_02", "32_01", "32_02", "38_01", "38_02"]
    few = ["--views", "0", "90", "--window", "60", "--modalities", "silhouette", "--clips", *clips]
    for split in ("train", "test"):
        common = ["--root", npz, "--out", str(tmp_path / split), "--split", split, *few]
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
