"""gaitlab from Python: the blocks of docs/python.md run, and what they give is what the pipelines give."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gaitlab
from gaitlab.data.feed import Feed
from gaitlab.data.ingest import ingest
from gaitlab.data.shards import DataConfig
from gaitlab.data.store import Store
from gaitlab.home import home
from gaitlab.types import ClipSpec
from tests.conftest import ROOT, TINY
from tests.training.tiny import experiment


def test_the_blocks_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    if not (home() / "data" / "walkers-tiny").exists():
        ingest(TINY, home() / "data" / "walkers-tiny", progress=False)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.S)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert "torch.Size([8, 30, 1, 64, 44])" in said
    assert re.search(r"^\(2, 8, 64\)$", said, re.M)
    assert "walkers, percent and counts" in said


def test_a_trained_network_and_its_table(tiny_store: Store, tmp_path: Path) -> None:
    tiny = experiment(TINY, steps=4)
    summary = gaitlab.train(tiny, tracking=False)
    shards, network = gaitlab.open_shards(tiny.data), gaitlab.open_run(summary.run)
    rows = shards.rows(split="test")
    result = gaitlab.evaluate(network.embed_shards(shards, rows), shards.index.iloc[rows], "walkers")
    assert result.rank1 == pytest.approx(summary.headline)
    walk = shards.walk(int(rows[0]))
    alone = network.embed(walk[None])
    np.testing.assert_allclose(alone, network.embed_shards(shards, rows[:1]), atol=1e-5)
    padded = np.concatenate([walk, np.full_like(walk, 99)])[None]
    np.testing.assert_allclose(network.embed(padded, [len(walk)]), alone, atol=1e-5)
    with pytest.raises(ValueError, match="lengths are one number of frames"):
        network.embed(walk[None], [0])
    with pytest.raises(ValueError, match="no checkpoint"):
        gaitlab.open_run(tmp_path)


def test_batches_are_those_of_a_run(tiny_store: Store) -> None:
    clip = ClipSpec(frames=4)
    shards = gaitlab.open_shards(DataConfig(root=str(tiny_store.root)))
    feed = Feed(tiny_store, {"gait": clip}, p=2, k=3, seed=5)
    batches = list(shards.batches(clip, subjects=2, walks=3, seed=5, start=7, steps=2))
    assert len(batches) == 2
    assert torch.equal(batches[1].clips["gait"], feed.batch(8, torch.device("cpu")).clips["gait"])
    with pytest.raises(ValueError, match="no column angle"):
        shards.rows(angle="090")


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, gaitlab; assert 'torch' not in sys.modules; print(gaitlab.open_run.__module__); assert 'ray' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "gaitlab.notebook\n", done.stderr
    with pytest.raises(AttributeError, match="no attribute 'open_runs'"):
        gaitlab.open_runs  # noqa: B018
