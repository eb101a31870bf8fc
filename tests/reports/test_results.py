"""Result files: readable, computable, whole."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaitlab.reports.result_row import Metric, ResultRow, split_metric, split_rows
from gaitlab.reports.result_tables import result_tables, seed_tables
from gaitlab.reports.results import read_results, result_files, write_results
from gaitlab.reports.table import Table, number, spread
from tests.conftest import ROOT

FILES = sorted((ROOT / "experiments" / "results").glob("*.json"))


def row(name: str, seed: int, metric: str, value: float, *, run: str = "", commit: str = "0123456789abcdef") -> ResultRow:
    return ResultRow(row=name, seed=seed, metric=metric, value=value, run=run, commit=commit, hardware="2 cores")


ROWS = [
    row("GEI", 0, "rank-1 CL", 30.0, run="a"),
    row("GaitBase", 0, "rank-1 CL", 70.0, run="b"),
    row("GaitBase", 1, "rank-1 CL", 72.0, run="c"),
]


def columns(table: Table) -> Iterator[tuple[str, list[str]]]:
    for j, head in enumerate(table.head):
        yield head, [line[j] for line in table.lines]


def test_markdown_and_json_hold_the_same_numbers(tmp_path: Path) -> None:
    text, data = write_results("walkers", "Walkers", ROWS, "Chance is 12.5 %.", tmp_path / "results")
    assert text.read_text() == (
        "# Walkers\n\n|  | rank-1 CL | seeds |\n| --- | ---: | ---: |\n| GEI | 30.00 | 1 |\n| GaitBase | 71.00 ± 1.41 | 2 |\n\n"
        "Of several seeds: mean ± sample standard deviation.\n\nChance is 12.5 %.\n\n"
        "### Single seeds\n\n|  | seed | rank-1 CL |\n| --- | ---: | ---: |\n| GaitBase | 0 | 70.00 |\n| GaitBase | 1 | 72.00 |\n\n"
        "### Where the numbers come from\n\nHardware: 2 cores.\n\n* commit `0123456789ab`\n"
        "  * GEI: `a` (seed 0)\n  * GaitBase: `b` (seed 0), `c` (seed 1)\n"
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


def test_words_of_metrics_and_rows() -> None:
    assert split_metric("rank-1 NM, %").head() == "rank-1 NM (%)"
    assert split_metric("Normal, cross view, %") == Metric("Normal", "cross view", "%")
    assert split_metric("walkers@validation/rank1").head() == "walkers@validation/rank-1 (%)"
    assert split_metric("goal (sequences/s)").head() == "goal (sequences/s)"
    rows = ["mocap: GEI", "mocap: GaitBase", "parity/gaitset", "parity/eval/grew", "parity", "lr 1/2", "w/o phase", "alone/thing"]
    assert split_rows(rows) == {
        "mocap: GEI": ("mocap", "GEI"),
        "mocap: GaitBase": ("mocap", "GaitBase"),
        "parity/gaitset": ("parity", "gaitset"),
        "parity/eval/grew": ("parity", "eval/grew"),
        "parity": ("parity", "parity"),
        **{name: ("", name) for name in ("lr 1/2", "w/o phase", "alone/thing")},
    }


def test_a_question_has_a_table_of_its_own() -> None:
    views = [row(name, 0, f"{probes}, {view}, %", 50.0) for name in ("a", "b") for view in ("cross view", "same view") for probes in "NC"]
    assert [(table.head, len(table.lines)) for table in result_tables(views)] == [
        (["cross view (%)", "N", "C"], 2),
        (["same view (%)", "N", "C"], 2),
    ]
    kinds = [row(name, 0, metric, 1.0) for name in ("feed/a", "feed/b", "store/a", "store/b") for metric in ("s", f"{name[:4]}, MB")]
    assert [(table.title, table.head) for table in result_tables(kinds)] == [
        ("feed", ["", "s", "feed (MB)"]),
        ("store", ["", "s", "stor (MB)"]),
    ]


def test_rows_are_joined_only_while_their_table_is_nearly_full() -> None:
    metrics = {"full": "stfog", "cosine": "stfg", "distances": "stfo", "floor": "st", "top20": "stf", "memory": "m"}
    rows = [row(name, 0, f"{letter}, s", 1.5) for name, letters in metrics.items() for letter in letters]
    tables = result_tables(rows)
    assert [[line[0] for line in table.lines] for table in tables] == [["full", "cosine", "distances"], ["floor", "top20"], ["memory"]]
    assert tables[0].lines[1] == ["cosine", "1.50", "1.50", "1.50", "–", "1.50"]


def test_counts_have_no_decimals_and_percentages_have_them() -> None:
    values = {"checks": 9600.0, "passed, %": 100.0, "took, s": 2.5, "goal, s": 3.0}
    (table,) = result_tables([row("a", 0, metric, value) for metric, value in values.items()])
    assert table.lines == [["a", "9,600", "100.00", "2.50", "3.00"]]


def test_each_machine_and_commit_is_said_once() -> None:
    rows = [row(f"parity/{i}", 0, "checks", 1.0) for i in range(3)] + [
        row("step/a", 0, "s", 1.0),
        row("step/b", 0, "s", 1.0, commit="f" * 40),
    ]
    text = result_files("x", "X", rows, "")["x.md"]
    assert text.endswith("Hardware: 2 cores.\n\n* commit `0123456789ab`: parity; step: a\n* commit `ffffffffffff`: step: b\n")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_result_files_of_the_repository(file: Path) -> None:
    """What is committed is what its rows say, no column is empty for most rows, and every number and run is on the page."""
    stored, rows = json.loads(file.read_text()), read_results(file)
    files = result_files(stored["name"], stored["title"], rows, stored["notes"])
    page = file.with_suffix(".md").read_text()
    assert files == {f"{file.stem}.md": page, file.name: file.read_text()}
    tables, seeds = result_tables(rows), seed_tables(rows)
    for table in (*tables, *seeds):
        for head, cells in columns(table):
            assert sum(cell in ("", "–") for cell in cells) * 2 <= len(cells), (table.title, head)
    by_cell: dict[tuple[str, str], list[float]] = {}
    for r in rows:
        by_cell.setdefault((r.row, r.metric), []).append(r.value)
        assert r.run in page
        assert r.commit[:12] in page
        assert r.hardware in page
    written = sorted(plain(cell) for table in tables for line in table.lines for cell in numbers(table, line) if cell != "–")
    assert written == sorted(plain(spread(values)) for values in by_cell.values())
    single = sorted(cell for table in seeds for line in table.lines for cell in line[2:] if cell != "–")
    assert single == sorted(number(value) for values in by_cell.values() if len(values) > 1 for value in values)


def numbers(table: Table, line: list[str]) -> list[str]:
    return line[1:-1] if table.head[-1] == "seeds" else line[1:]


def plain(cell: str) -> str:
    """A count as any other number: "9,600" is 9600.00."""
    return f"{cell.replace(',', '')}.00" if re.fullmatch(r"[\d,]+", cell) else cell
