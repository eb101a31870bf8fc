"""Where the numbers of a result file come from: each machine and commit once, with the runs and rows that are of it."""

from collections.abc import Mapping, Sequence

from gaitlab.reports.result_row import ResultRow, split_rows
from gaitlab.reports.table import short_commit

NO_RUN = ("", "-")


def origin_text(rows: Sequence[ResultRow]) -> str:
    """Markdown: a paragraph for each machine; below it a list of its commits, each with its rows, or with its runs and their rows."""
    parts = []
    for machine in dict.fromkeys(row.hardware for row in rows):
        of_machine = [row for row in rows if row.hardware == machine]
        lines = []
        for commit in dict.fromkeys(row.commit for row in of_machine):
            of_commit = [row for row in of_machine if row.commit == commit]
            if any(row.run not in NO_RUN for row in of_commit):
                lines += [f"* commit `{short_commit(commit)}`", *(f"  * {line}" for line in _runs(of_commit, rows))]
            else:
                lines.append(f"* commit `{short_commit(commit)}`: {_names(of_commit, rows)}")
        parts += [f"Hardware: {machine}.", "\n".join(lines)]
    return "\n\n".join(parts)


def _runs(here: Sequence[ResultRow], rows: Sequence[ResultRow]) -> list[str]:
    """`baseline: RUN (seed 0), RUN (seed 1)`; rows of the same runs together."""
    runs: dict[str, list[str]] = {}
    for row in here:
        run = "no run" if row.run in NO_RUN else f"`{row.run}` (seed {row.seed})"
        if run not in runs.setdefault(row.row, []):
            runs[row.row].append(run)
    same: dict[str, set[str]] = {}
    for name, those in runs.items():
        same.setdefault(", ".join(those), set()).add(name)
    return [f"{_names([row for row in here if row.row in names], rows)}: {those}" for those, names in same.items()]


def _names(some: Sequence[ResultRow], rows: Sequence[ResultRow]) -> str:
    """The rows' names: a kind is named once, and alone where all of its rows are meant."""
    split = split_rows(row.row for row in rows)
    kinds: dict[str, list[str]] = {}
    for row in dict.fromkeys(row.row for row in some):
        kinds.setdefault(split[row][0], []).append(split[row][1])
    return "; ".join(_kind(kind, names, split) for kind, names in kinds.items())


def _kind(kind: str, names: Sequence[str], split: Mapping[str, tuple[str, str]]) -> str:
    whole = len(names) == sum(of == kind for of, _ in split.values())
    listed = ("; " if any("," in name for name in names) else ", ").join(names)
    return listed if not kind else kind if whole else f"{kind}: {listed}"
