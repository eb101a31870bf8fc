"""An ablation's table as one reads it: gains first, then beside published ones, by probe set, what would make them surer, and the runs."""

import math
from collections.abc import Sequence

from gaitlab.reports.ablation import Row, Table
from gaitlab.reports.bootstrap import Estimate
from gaitlab.reports.grid import Grid, Mark, interval, number, signed, spread
from gaitlab.tracking.origins import UNKNOWN


def grids(table: Table) -> list[Grid]:
    """Those that have something to show."""
    some = [_gains(table)]
    some += [_published(table), _differences(table)] if table.columns else []
    some += [_sets(table), _set_gains(table)] if table.sets else []
    some += [_certainty(table)] if any(row.gain for row in table.rows) else []
    return [*some, _runs(table)]


def measure(table: Table) -> str:
    """The headline's name in a text."""
    return "rank-1" if table.measure == "rank1" else table.measure.replace("_", " ")


def _gains(table: Table) -> Grid:
    lines = []
    for row in table.rows:
        mean, gain = row.mean, row.gain
        lines.append(
            [
                row.row,
                spread(row.values),
                signed(gain.value) if gain else "–",
                interval(gain.low, gain.high, sign=True) if gain else "–",
                number(gain.error) if gain else "–",
                interval(mean.low, mean.high) if mean else "–",
                str(len(row.runs)),
                "–" if math.isnan(row.seconds) else f"{row.seconds:.0f}",
            ]
        )
    head = ["", measure(table), "gain", "95 % of the gain", "SE", "95 % of the mean", "seeds", "seconds"]
    return Grid(
        name="gains",
        title=f"Gains ({table.protocol})",
        head=head,
        lines=lines,
        marks={(i, j): mark for i, row in enumerate(table.rows) if (mark := _mark(row.gain)) for j in (2, 3)},
        note=_how(table),
    )


def _mark(gain: Estimate | None) -> Mark | None:
    if gain is None or not gain.certain:
        return None
    return "more" if gain.value > 0 else "less"


def _how(table: Table) -> str:
    """What the columns mean."""
    over = {row.baseline for row in table.rows if row.baseline}
    pairs = "; ".join(f"{row.row} over {row.baseline}" for row in table.rows if row.baseline)
    each = f"over {next(iter(over))}" if len(over) == 1 else f"({pairs})"
    parts = ["Percent, mean ± sample standard deviation over seeds."]
    estimates = [e for row in table.rows for e in (row.mean, row.gain) if e]
    drawn = {e.drawn for e in estimates}
    people = max((e.n_identities for e in estimates), default=0)
    if len(drawn) == 1:
        parts.append(f"The 95 % intervals draw {next(iter(drawn))} anew" + (f" ({people} identities)." if people > 1 else "."))
    else:
        seeds = ", ".join(f"{row.row}: {row.mean.drawn}" for row in table.rows if row.mean)
        parts.append(f"What the 95 % intervals draw anew ({people} identities): {seeds}.")
    if over:
        parts.append(
            f"Gains are points {each}, with the same seeds and the same drawn identities in both rows; SE is their standard error."
        )
        parts.append("Marked: 0 is outside the interval of that gain alone.")
    return " ".join(parts)


def _published(table: Table) -> Grid:
    lines = [
        [row.row, signed(row.gain.value) if row.gain else "–"]
        + [f"{signed(p.gain)} ({number(p.value)})" for p in (row.published[column] for column in table.columns)]
        for row in table.rows
    ]
    note = f"Points over the same rows; in brackets the published {measure(table)}." + (f" {table.source}." if table.source else "")
    return Grid(name="published", title="Published gains", head=["", "here", *table.columns], lines=lines, note=note)


def _differences(table: Table) -> Grid:
    lines = [[row.row, *(_shifted(row, row.published[column].gain) for column in table.columns)] for row in table.rows if row.gain]
    note = "Points. In brackets the 95 % interval, as far as the gain here goes: published gains come without one."
    return Grid(name="differences", title="Gains here less published ones", head=["", *table.columns], lines=lines, note=note)


def _shifted(row: Row, gain: float) -> str:
    if row.gain is None or math.isnan(gain):
        return "–"
    return f"{signed(row.gain.value - gain)} {interval(row.gain.low - gain, row.gain.high - gain, sign=True)}"


def _sets(table: Table) -> Grid:
    lines = [
        [row.row, *(spread([run.sets[name] for run in row.runs if not math.isnan(run.sets[name])]) for name in table.sets)]
        for row in table.rows
    ]
    return Grid(name="sets", title="Rank-1 by probe set", head=["", *table.sets], lines=lines, note="Percent, mean ± standard deviation.")


def _set_gains(table: Table) -> Grid:
    rows = [row for row in table.rows if row.set_gains]
    lines = [[f"{row.row} over {row.baseline}", *(signed(row.set_gains[name]) for name in table.sets)] for row in rows]
    return Grid(name="set-gains", title="Gains by probe set", head=["", *table.sets], lines=lines, note="Points, mean over seeds.")


def _certainty(table: Table) -> Grid:
    rows = [(row, row.gain) for row in table.rows if row.gain]
    lines = [
        [
            row.row,
            number(gain.error),
            *(number(math.sqrt(part)) if known else "–" for part, known in _shares(gain)),
            *(number(gain.error_with(seeds=times)) if gain.n_seeds > 1 else "–" for times in (2, math.inf)),
            *(number(gain.error_with(identities=times)) if gain.n_identities > 1 else "–" for times in (2, math.inf)),
        ]
        for row, gain in rows
    ]
    head = ["", "SE", "identities", "seeds", "both", "twice the seeds", "all seeds", "twice the identities", "all identities"]
    note = (
        "Points. The squares of the three parts add up to that of the standard error; “both” is what differs from seed to seed in who is "
        "known. On the right the standard error that more seeds, or more identities, would leave; “all” is the best that could be had. "
        "Of two or three seeds all this is rough."
    )
    return Grid(name="certainty", title="What makes the gains uncertain", head=head, lines=lines, note=note)


def _shares(gain: Estimate) -> list[tuple[float, bool]]:
    some = gain.n_identities > 1, gain.n_seeds > 1
    return [(gain.identities, some[0]), (gain.seeds, some[1]), (gain.both, all(some))]


def _runs(table: Table) -> Grid:
    lines = [[r.row, str(r.seed), number(r.value), r.run, short(r.origin.commit), r.origin.config, r.origin.hardware] for r in table.runs]
    head = ["", "seed", measure(table), "run", "commit", "config", "hardware"]
    return Grid(name="runs", title="Runs", head=head, lines=lines, words=frozenset({0, 3, 4, 5, 6}))


def short(commit: str) -> str:
    """A commit as one reads it."""
    return commit if commit == UNKNOWN else commit[:12]


def lines_of(notes: Sequence[str]) -> str:
    """Notes as a Markdown list."""
    return "\n".join(f"* {note}" for note in notes)
