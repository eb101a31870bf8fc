"""The comparison with evaluation goldens notices what differs; without goldens there is nothing to run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.parity.evaluation import SUPPORTED, golden, goldens

FOLDER = SHARED / "peer" / "goldens" / "open"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the goldens lie beside the checkout")


def copied(tmp_path: Path, stem: str) -> Path:
    """The golden and its files, to be changed."""
    (tmp_path / "eval").mkdir()
    for path in (FOLDER / "eval").glob(f"{stem}*"):
        shutil.copyfile(path, tmp_path / "eval" / path.name)
    return tmp_path / "eval" / f"{stem}.json"


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


def test_every_golden_has_a_comparison() -> None:
    assert {path.stem for path in goldens(FOLDER)} == set(SUPPORTED)


def test_an_unknown_golden_fails(tmp_path: Path) -> None:
    path = copied(tmp_path, "scoliosis").rename(tmp_path / "eval" / "newbench.json")
    assert goldens(tmp_path) == [path]
    assert golden(path).line.startswith("FAIL  eval/newbench")


@pytest.mark.parametrize(
    ("stem", "old", "new", "failed"),
    [
        ("ttg200", '"scalar/test_accuracy/Rank-5": 78.28', '"scalar/test_accuracy/Rank-5": 78.27', "euc Rank-5 "),
        ("ttg200", "89.530", "89.560", "euc Rank-20 printed"),
        ("scoliosis", "63.83%", "63.85%", "Recall printed"),
        ("ccpg", "UP: 88.406", "UP: 88.416", "euc UP Rank-1 (Exclude identical-view cases for Person Re-Identification)"),
        ("casiae", "77.97 76.39", "77.97 76.45", "euc NM by view"),
        ("scoliosis", '"metrics"', '"others": {}, "metrics"', "others is compared"),
        ("scoliosis", '"sha256": "e38', '"sha256": "f38', "rows and embeddings"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, stem: str, old: str, new: str, failed: str) -> None:
    path = copied(tmp_path, stem)
    rewrite(path, lambda text: text.replace(old, new, 1))
    line = golden(path).line
    assert line.startswith("FAIL")
    assert failed in line.split("failed: ")[1]


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda text: text.replace("\n", "\r\n"), "plain bytes but for labels"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "plain bytes but for labels"),
        (lambda text: text.replace("v0003,0566", "v0003,0517"), "plain labels"),
    ],
)
def test_a_file_that_differs_fails(tmp_path: Path, change: Callable[[str], str], failed: str) -> None:
    path = copied(tmp_path, "hid")
    name = path.parent / json.loads(path.read_text())["plain"]["csv"]
    text = name.read_bytes().decode()
    assert change(text) != text
    name.write_bytes(change(text).encode())
    line = golden(path).line
    assert line.startswith("FAIL")
    assert failed in line.split("failed: ")[1]
