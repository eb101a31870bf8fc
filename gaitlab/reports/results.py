"""Result files of the repository: `experiments/results/NAME.md` to read and `NAME.json` to compute with, from the same rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gaitlab.home import write_whole
from gaitlab.reports.result_origins import origin_text
from gaitlab.reports.result_row import ResultRow
from gaitlab.reports.result_tables import result_tables, seed_tables
from gaitlab.reports.table import markdown


def write_results(name: str, title: str, rows: Sequence[ResultRow], notes: str, folder: Path) -> tuple[Path, ...]:
    """Write NAME.md and NAME.json, each whole or not at all; returns their paths in this order."""
    return write_files(result_files(name, title, rows, notes), folder)


def read_results(path: Path) -> list[ResultRow]:
    """The rows of a NAME.json."""
    return [ResultRow(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def result_files(name: str, title: str, rows: Sequence[ResultRow], notes: str) -> dict[str, str]:
    """The texts of NAME.md and NAME.json. ValueError for no rows, and for a value that is not finite."""
    if not rows:
        raise ValueError(f"no rows to write to {name}.md; give at least one")
    for row in rows:
        if not math.isfinite(row.value):
            raise ValueError(f"{row.row}, seed {row.seed}: {row.metric} is {row.value}; leave the row out and say why in the notes")
    plain = {"name": name, "title": title, "notes": notes, "rows": [asdict(row) for row in rows]}
    return {f"{name}.md": result_page(title, rows, notes), f"{name}.json": json.dumps(plain, indent=1, ensure_ascii=False) + "\n"}


def write_files(files: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Write each text (file's name -> text) whole or not at all; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_whole(folder / name, text)
    return tuple(folder / name for name in files)


def result_page(title: str, rows: Sequence[ResultRow], notes: str) -> str:
    """Markdown: a table for each question, the notes, single seeds where there are several, and where the numbers come from."""
    tables, seeds = result_tables(rows), seed_tables(rows)
    parts = [f"# {title}", *map(markdown, tables)]
    parts += ["Of several seeds: mean ± sample standard deviation."] if seeds else []
    parts += [notes.strip()]
    parts += ["### Single seeds", *map(markdown, seeds)] if seeds else []
    parts += ["### Where the numbers come from", origin_text(rows)]
    return "\n\n".join(part for part in parts if part) + "\n"
