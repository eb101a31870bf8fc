"""Result files of the repository: `experiments/results/NAME.md` to read and `NAME.json` to compute with, from the same rows."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gaitlab.home import write_whole


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One number and where it came from.

    row: what was measured, e.g. "GaitBase (half width)". metric: e.g. "rank-1 NM, %". value: finite.
    run: MLflow run id. hardware: `provenance.hardware_line()`.
    """

    row: str
    seed: int
    metric: str
    value: float
    run: str
    commit: str
    hardware: str


def write_results(name: str, title: str, rows: Sequence[ResultRow], notes: str, folder: Path) -> tuple[Path, Path]:
    """Write both files, each whole or not at all; returns their paths (Markdown, JSON).

    Markdown: a line per `row`, a column per `metric`, mean ± sample standard deviation over seeds; the single runs below it.
    """
    if not rows:
        raise ValueError(f"no rows to write to {folder / name}.md; give at least one")
    for row in rows:
        if not math.isfinite(row.value):
            raise ValueError(f"{row.row}, seed {row.seed}: {row.metric} is {row.value}; leave the row out and say why in the notes")
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"name": name, "title": title, "notes": notes, "rows": [asdict(row) for row in rows]}
    text, data = folder / f"{name}.md", folder / f"{name}.json"
    write_whole(data, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    write_whole(text, _markdown(title, rows, notes))
    return text, data


def read_results(path: Path) -> list[ResultRow]:
    """The rows of a NAME.json."""
    return [ResultRow(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def _markdown(title: str, rows: Sequence[ResultRow], notes: str) -> str:
    labels, metrics = list(dict.fromkeys(r.row for r in rows)), list(dict.fromkeys(r.metric for r in rows))
    values = {(a, b): [r.value for r in rows if (r.row, r.metric) == (a, b)] for a in labels for b in metrics}
    summary = _table(["", *metrics], [[a, *(_mean(values[a, b]) for b in metrics)] for a in labels])
    machines = list(dict.fromkeys(r.hardware for r in rows))
    runs = _table(
        ["", "seed", "metric", "value", "run", "commit"],
        [[r.row, str(r.seed), r.metric, f"{r.value:.2f}", f"`{r.run}`", f"`{r.commit[:12]}`"] for r in rows],
    )
    parts = [f"# {title}", summary, notes.strip(), "Hardware: " + "; ".join(machines) + ".", "## Runs", runs]
    return "\n\n".join(part for part in parts if part) + "\n"


def _mean(values: Sequence[float]) -> str:
    """`71.23 ± 0.40 (3)`; the bracket counts seeds."""
    if len(values) < 2:
        return f"{values[0]:.2f}" if values else "–"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} ({len(values)})"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in [head, rule, *lines])
