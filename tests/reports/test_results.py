"""Result files: readable, computable, whole."""

import json
from pathlib import Path

import pytest

from gaitlab.reports.results import ResultRow, read_results, write_results


def row(name: str, seed: int, metric: str, value: float) -> ResultRow:
    return ResultRow(row=name, seed=seed, metric=metric, value=value, run=f"run{seed}", commit="0123456789abcdef", hardware="2 cores")


ROWS = [row("GEI", 0, "rank-1 CL", 30.0), row("GaitBase", 0, "rank-1 CL", 70.0), row("GaitBase", 1, "rank-1 CL", 72.0)]


def test_markdown_and_json_hold_the_same_numbers(tmp_path: Path) -> None:
    text, data = write_results("walkers", "Walkers", ROWS, "Chance is 12.5 %.", tmp_path / "results")
    assert text.read_text() == (
        "# Walkers\n\n|  | rank-1 CL |\n| --- | --- |\n| GEI | 30.00 |\n| GaitBase | 71.00 ± 1.41 (2) |\n\nChance is 12.5 %.\n\n"
        "Hardware: 2 cores.\n\n## Runs\n\n|  | seed | metric | value | run | commit |\n| --- | --- | --- | --- | --- | --- |\n"
        "| GEI | 0 | rank-1 CL | 30.00 | `run0` | `0123456789ab` |\n"
        "| GaitBase | 0 | rank-1 CL | 70.00 | `run0` | `0123456789ab` |\n"
        "| GaitBase | 1 | rank-1 CL | 72.00 | `run1` | `0123456789ab` |\n"
    )
    assert read_results(data) == ROWS
    assert json.loads(data.read_text())["title"] == "Walkers"


def test_bad_rows_leave_the_old_files(tmp_path: Path) -> None:
    text, _ = write_results("walkers", "Walkers", ROWS, "", tmp_path)
    before = text.read_text()
    with pytest.raises(ValueError, match="GaitBase, seed 2: mAP is nan"):
        write_results("walkers", "Walkers", [*ROWS, row("GaitBase", 2, "mAP", float("nan"))], "", tmp_path)
    with pytest.raises(ValueError, match="no rows"):
        write_results("walkers", "Walkers", [], "", tmp_path)
    assert text.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walkers.json", "walkers.md"]
