"""Rows of results as tables that a person can read: one a question, nearly full, units in the head.

A question is a kind of rows ("retrieval/...") in one setting of the metrics ("..., cross view, %"). Its rows stand in one table as far as
they have the same metrics: a table's columns are filled in half of its rows at least, and its cells in three quarters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from gaitlab.reports.result_row import ResultRow, split_metric, split_rows
from gaitlab.reports.table import Table, number, spread

COLUMN_FILLED, TABLE_FILLED = 0.5, 0.75


@dataclass(frozen=True)
class Block:
    """One table's part of the results. title: "" but for a question's first table. names: row -> its name in the table.
    metrics: one a column, as they are called in `ResultRow`."""

    title: str
    names: dict[str, str]
    metrics: list[str]
    rows: list[ResultRow]

    def values(self, row: str, metric: str, seed: int | None = None) -> list[float]:
        """Of all seeds, or of one."""
        return [r.value for r in self.rows if (r.row, r.metric) == (row, metric) and seed in (None, r.seed)]

    def seeds(self, row: str) -> list[int]:
        return sorted({r.seed for r in self.rows if r.row == row})


def result_tables(rows: Sequence[ResultRow]) -> list[Table]:
    """A line for each row, means over its seeds; their number stands in the last column where it is not 1 throughout."""
    return [_mean_table(block) for block in _blocks(rows)]


def seed_tables(rows: Sequence[ResultRow]) -> list[Table]:
    """The same columns, with a line for each seed of the rows that have several."""
    return [table for block in _blocks(rows) if (table := _seed_table(block)).lines]


def _mean_table(block: Block) -> Table:
    corner, head = _heads(block.metrics)
    columns = [[block.values(row, metric) for row in block.names] for metric in block.metrics]
    cells = _cells(block.metrics, columns)
    lines = [[name, *(column[i] for column in cells)] for i, name in enumerate(block.names.values())]
    counts = [len(block.seeds(row)) for row in block.names]
    if max(counts) > 1:
        head = [*head, "seeds"]
        lines = [[*line, str(count)] for line, count in zip(lines, counts, strict=True)]
    return Table(name="results", title=block.title, head=[corner, *head], lines=lines)


def _seed_table(block: Block) -> Table:
    corner, head = _heads(block.metrics)
    lines = [
        [row, str(seed), *(", ".join(map(number, block.values(row, metric, seed))) or "–" for metric in block.metrics)]
        for row in block.names
        if len(block.seeds(row)) > 1
        for seed in block.seeds(row)
    ]
    return Table(name="seeds", title="", head=[corner, "seed", *head], lines=lines)


def _cells(metrics: Sequence[str], columns: Sequence[Sequence[Sequence[float]]]) -> list[list[str]]:
    """Counts have no decimals: whole numbers, in a unit of which the table has no other ones; percentages are none."""
    units = [split_metric(metric).unit for metric in metrics]
    whole = [all(len(values) < 2 and all(value == round(value) for value in values) for values in column) for column in columns]
    measured = {unit for unit, counts in zip(units, whole, strict=True) if unit and not counts} | {"%"}
    return [
        [_count(values) if counts and unit not in measured else spread(values) for values in column]
        for column, unit, counts in zip(columns, units, whole, strict=True)
    ]


def _count(values: Sequence[float]) -> str:
    return f"{values[0]:,.0f}".replace("-", "−") if values else "–"


def _heads(metrics: Sequence[str]) -> tuple[str, list[str]]:
    """What stands over the rows' names, and over each column. What all columns share is said once, over the names."""
    split = [split_metric(metric) for metric in metrics]
    (unit, *units), (setting, *settings) = dict.fromkeys(m.unit for m in split), dict.fromkeys(m.setting for m in split)
    first_words = {m.name.split()[0] for m in split}
    word = first_words.pop() if len(first_words) == 1 else ""
    shared = ", ".join(part for part in (word, setting) if part)
    if len(split) == 1 or units or settings or not unit or not shared:
        return "", [m.head() for m in split]
    return f"{shared} ({unit})", [m.name.removeprefix(word).strip() or m.name for m in split]


def _blocks(rows: Sequence[ResultRow]) -> list[Block]:
    """All tables: rows without a kind first, else in the order of the results."""
    names = split_rows(row.row for row in rows)
    settings = [split_metric(metric).setting for metric in dict.fromkeys(row.metric for row in rows)]
    questions: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        setting = split_metric(row.metric).setting
        questions.setdefault((names[row.row][0], setting if settings.count(setting) > 1 else ""), []).append(row)
    blocks, titles = [], {""}
    for (kind, _), those in sorted(questions.items(), key=lambda question: question[0][0] != ""):
        for part in _parts(those):
            inside = [row for row in those if row.row in part]
            title = kind if kind not in titles else ""
            titles.add(kind)
            blocks.append(Block(title, {row: names[row][1] for row in part}, list(dict.fromkeys(r.metric for r in inside)), inside))
    return blocks


def _parts(rows: Sequence[ResultRow]) -> list[list[str]]:
    """Rows that make one table each: first those of the same metrics, then the most alike are joined while the table is nearly full."""
    metrics = {name: frozenset(row.metric for row in rows if row.row == name) for name in dict.fromkeys(row.row for row in rows)}
    parts = [[name for name in metrics if metrics[name] == same] for same in dict.fromkeys(metrics.values())]

    def alike(a: list[str], b: list[str]) -> float:
        """Share of the columns that both have."""
        ours, theirs = (frozenset().union(*(metrics[name] for name in part)) for part in (a, b))
        return len(ours & theirs) / len(ours | theirs)

    def full(part: list[str]) -> bool:
        columns = frozenset().union(*(metrics[name] for name in part))
        filled = [sum(column in metrics[name] for name in part) / len(part) for column in columns]
        return min(filled) >= COLUMN_FILLED and sum(filled) / len(filled) >= TABLE_FILLED

    while pairs := [(a, b) for a, b in combinations(parts, 2) if full(a + b)]:
        a, b = max(pairs, key=lambda pair: alike(*pair))
        parts = [[name for name in metrics if name in a or name in b] if part is a else part for part in parts if part is not b]
    return parts
