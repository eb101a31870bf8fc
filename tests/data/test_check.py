"""The validator and the command line, on trees with every fault that we know of."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gaitlab.data.check import check
from gaitlab.data.ingest import ingest
from gaitlab.data.sources.opengait import OpenGaitSource
from gaitlab.data.store import Store
from tests.data.raw import casia, partition, put, silhouettes
from tests.processes import pipeline


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return casia(tmp_path / "raw")


def shards(raw: Path) -> Path:
    return ingest(OpenGaitSource(root=str(raw), layout="casia-b"), raw.parent / "shards", progress=False).root


def test_good_data_has_no_problems(raw: Path, tmp_path: Path) -> None:
    sets = partition(tmp_path / "p.json", ["001", "002"], ["003", "004"])
    for report in (check(raw, layout="casia-b", partition=sets), check(shards(raw))):
        assert report.problems == report.notes == []
        last = report.counts.iloc[-1]
        assert (last["subjects"], last["walks"], last["views"], last["conditions"], last["silhouette frames"]) == (4, 24, 2, 3, "144")
        assert report.text().endswith("no problems")


def crop(raw: Path) -> None:
    for path in raw.rglob("*.pkl"):
        put(raw, str(path.parent.relative_to(raw)), silhouettes()[:, :, 10:54], path.name)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda r: put(r, "001/nm-01/000", silhouettes()[:0], "000.pkl"), "000.pkl: the walk is empty"),
        (lambda r: (r / "001/nm-01/000/000.pkl").unlink(), "001/nm-01/000: the folder is empty"),
        (lambda r: put(r, "001/nm-01/000", silhouettes() / 255, "000.pkl"), "000.pkl: pixels are float64"),
        (lambda r: put(r, "001/nm-01/000", silhouettes(size=32), "000.pkl"), "1 walk .* not of the usual frame shape 1x64x64"),
        (lambda r: put(r, "001/nm-01/000", silhouettes() // 20, "000.pkl"), "values below 128 only"),
        (lambda r: put(r, "001/nm-01/000", silhouettes() * 0, "000.pkl"), "000.pkl: none of its 6 frames shows anybody"),
        (lambda r: put(r, "001/nm-01/000", "hello", "000.pkl"), "holds a str"),
        (lambda r: put(r, "001/nm-01x/000", silhouettes()), "is not named as in casia-b"),
        (crop, "already cropped"),
    ],
)
def test_faults_of_raw_data(raw: Path, spoil: Callable[[Path], object], says: str) -> None:
    spoil(raw)
    report = check(raw, layout="casia-b")
    assert len(report.problems) == 1
    assert re.search(says, report.problems[0])


def test_oddities_are_notes(raw: Path) -> None:
    put(raw, "001/nm-01/000", silhouettes()[:3], "000.pkl")
    blank = silhouettes()
    blank[2] = 0
    put(raw, "002/nm-01/000", blank, "000.pkl")
    put(raw, "003/nm-01/000", (silhouettes() > 0).astype(np.uint8), "000.pkl")
    report = check(raw, layout="casia-b")
    assert report.problems == []
    assert report.notes == [
        "silhouettes of 0 and 1 are read as 0 and 255 (1 walks)",
        "silhouette: 1 frames show nobody, in 1 walk (002/nm-01/000)",
        "silhouette: 1 walk (001/nm-01/000) of fewer than 5 frames",
    ]


def test_cropped_and_padded_is_noticed(raw: Path) -> None:
    for path in raw.rglob("*.pkl"):
        wide = np.repeat(silhouettes()[:, :, ::1], 3, axis=2)[:, :, 64:128]
        wide[:, :, :10] = wide[:, :, 54:] = 0
        put(raw, str(path.parent.relative_to(raw)), wide, path.name)
    report = check(raw, layout="casia-b")
    assert len(report.notes) == 1
    assert "already cropped and padded" in report.notes[0]


def test_missing_and_ignored_ids(raw: Path, tmp_path: Path) -> None:
    sets = partition(tmp_path / "p.json", ["001", "077"], ["003"])
    report = check(raw, layout="casia-b", partition=sets)
    assert any("077" in problem for problem in report.problems)
    assert any("2 ids" in note for note in report.notes)


def test_all_faults_are_seen_at_once(raw: Path) -> None:
    (raw / "001/nm-01/000/000.pkl").unlink()
    put(raw, "002/nm-01/000", "hello", "000.pkl")
    put(raw, "003/nm-01/000", silhouettes()[:, :, 10:54], "000.pkl")
    report = check(raw, layout="casia-b")
    assert len(report.problems) == 3
    assert report.text().endswith("3 problems")
    assert len(check(raw, layout="oumvlp").problems) == 5, "an empty folder, three names that are not of oumvlp, and no id has a walk"


def test_damaged_shards_are_found_and_the_others_still_read(raw: Path) -> None:
    root = shards(raw)
    path = root / "part-00002.parquet"
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(bytes(content))
    report = check(root)
    assert len(report.problems) == 1
    assert "part-00002.parquet is corrupt" in report.problems[0]
    assert report.counts.iloc[-1]["walks"] == 18


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess:
    return pipeline("ingest.py", *arguments, GAITLAB_HOME=str(home))


def test_the_command_line(raw: Path, tmp_path: Path) -> None:
    sets = partition(tmp_path / "p.json", ["001", "002", "009"], ["003", "004"])
    take = ("opengait", "--root", str(raw), "--layout", "casia-b", "--partition", sets, "--out", "mine", "--workers", "1")
    refused = run(*take, home=tmp_path / "home")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: the partition names 1 ids")
    assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "home").glob("data/*"))
    done = run(*take, "--allow-missing", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "24 walks (silhouette 144 frames" in done.stdout
    assert done.stderr.startswith("warning: the partition names 1 ids")
    assert len(Store(tmp_path / "home" / "data" / "mine").index) == 24
    (tmp_path / "home" / "data" / "mine" / "part-00000.parquet").write_bytes(b"")
    checked = run("check", "mine", home=tmp_path / "home")
    assert checked.returncode == 1
    assert "part-00000.parquet is corrupt" in checked.stdout
