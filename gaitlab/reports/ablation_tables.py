"""An ablation as tables: gains first, then beside published ones, by probe set, what would make them surer, and the runs."""

import math

from gaitlab.reports.ablation import AblationResult, AblationRow
from gaitlab.reports.bootstrap import Estimate
from gaitlab.reports.table import Mark, Table, interval, number, short_commit, signed, spread


def ablation_tables(result: AblationResult) -> list[Table]:
    """Those that have something to show."""
    some = [_gains(result)]
    some += [_published(result), _differences(result)] if result.columns else []
    gains = any(row.gain for row in result.rows)
    some += [_sets(result)] if result.sets else []
    some += [_set_gains(result)] if result.sets and gains else []
    some += [_certainty(result)] if gains else []
    return [*some, _runs(result)]


def measure(result: AblationResult) -> str:
    """The headline's name in a text."""
    return "rank-1" if result.measure == "rank1" else result.measure.replace("_", " ")


def _gains(result: AblationResult) -> Table:
    timed = sum(not math.isnan(row.seconds) for row in result.rows) * 2 >= len(result.rows)
    lines = []
    for row in result.rows:
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
                *(["–" if math.isnan(row.seconds) else f"{row.seconds:.0f}"] if timed else []),
            ]
        )
    head = ["", measure(result), "gain", "95 % of the gain", "SE", "95 % of the mean", "seeds", *(["seconds"] if timed else [])]
    return Table(
        name="gains",
        title=f"Gains ({result.protocol})",
        head=head,
        lines=lines,
        marks={(i, j): mark for i, row in enumerate(result.rows) if (mark := _mark(row.gain)) for j in (2, 3)},
        note=_how(result),
    )


def _mark(gain: Estimate | None) -> Mark | None:
    if gain is None or not gain.certain:
        return None
    return "more" if gain.value > 0 else "less"


def _how(result: AblationResult) -> str:
    """What the columns mean."""
    over = {row.baseline for row in result.rows if row.baseline}
    pairs = "; ".join(f"{row.row} over {row.baseline}" for row in result.rows if row.baseline)
    each = f"over {next(iter(over))}" if len(over) == 1 else f"({pairs})"
    parts = ["Percent, mean ± sample standard deviation over seeds."]
    estimates = [e for row in result.rows for e in (row.mean, row.gain) if e]
    drawn = {e.drawn for e in estimates}
    people = max((e.n_identities for e in estimates), default=0)
    if len(drawn) == 1:
        parts.append(f"The 95 % intervals draw {next(iter(drawn))} anew" + (f" ({people} identities)." if people > 1 else "."))
    else:
        seeds = ", ".join(f"{row.row}: {row.mean.drawn}" for row in result.rows if row.mean)
        parts.append(f"What the 95 % intervals draw anew ({people} identities): {seeds}.")
    if over:
        parts.append(
            f"Gains are points {each}, with the same seeds and the same drawn identities in both rows; SE is their standard error."
        )
        parts.append("Marked: 0 is outside the interval of that gain alone.")
    return " ".join(parts)


def _published(result: AblationResult) -> Table:
    lines = [
        [row.row, signed(row.gain.value) if row.gain else "–"]
        + [f"{signed(p.gain)} ({number(p.value)})" for p in (row.published[column] for column in result.columns)]
        for row in result.rows
    ]
    note = f"Points over the same rows; in brackets the published {measure(result)}." + (f" {result.source}." if result.source else "")
    return Table(name="published", title="Published gains", head=["", "here", *result.columns], lines=lines, note=note)


def _differences(result: AblationResult) -> Table:
    lines = [[row.row, *(_shifted(row, row.published[column].gain) for column in result.columns)] for row in result.rows if row.gain]
    note = "Points. In brackets the 95 % interval, as far as the gain here goes: published gains come without one."
    return Table(name="differences", title="Gains here less published ones", head=["", *result.columns], lines=lines, note=note)


def _shifted(row: AblationRow, gain: float) -> str:
    if row.gain is None or math.isnan(gain):
        return "–"
    return f"{signed(row.gain.value - gain)} {interval(row.gain.low - gain, row.gain.high - gain, sign=True)}"


def _sets(result: AblationResult) -> Table:
    lines = [
        [row.row, *(spread([run.sets[name] for run in row.runs if not math.isnan(run.sets[name])]) for name in result.sets)]
        for row in result.rows
    ]
    return Table(name="sets", title="Rank-1 by probe set", head=["", *result.sets], lines=lines, note="Percent, mean ± standard deviation.")


def _set_gains(result: AblationResult) -> Table:
    rows = [row for row in result.rows if row.set_gains]
    lines = [[f"{row.row} over {row.baseline}", *(signed(row.set_gains[name]) for name in result.sets)] for row in rows]
    return Table(name="set-gains", title="Gains by probe set", head=["", *result.sets], lines=lines, note="Points, mean over seeds.")


def _certainty(result: AblationResult) -> Table:
    rows = [(row, row.gain) for row in result.rows if row.gain]
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
    return Table(name="certainty", title="What makes the gains uncertain", head=head, lines=lines, note=note)


def _shares(gain: Estimate) -> list[tuple[float, bool]]:
    some = gain.n_identities > 1, gain.n_seeds > 1
    return [(gain.identities, some[0]), (gain.seeds, some[1]), (gain.both, all(some))]


def _runs(result: AblationResult) -> Table:
    lines = [
        [r.row, str(r.seed), number(r.value), r.run, short_commit(r.origin.commit), r.origin.config, r.origin.hardware] for r in result.runs
    ]
    head = ["", "seed", measure(result), "run", "commit", "config", "hardware"]
    return Table(name="runs", title="Runs", head=head, lines=lines, words=frozenset({0, 3, 4, 5, 6}))
