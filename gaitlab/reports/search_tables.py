"""What a search came to, as tables: its best trials, the front, what mattered, and the runs."""

import math
from collections.abc import Sequence

from gaitlab.reports.search import SearchResult
from gaitlab.reports.table import Table, number, short_commit
from gaitlab.sweeps.study import Trial
from gaitlab.sweeps.sweep import label

BEST = 10
"""Trials in the table of the best."""


def search_tables(result: SearchResult) -> list[Table]:
    """Best trials, the front, importances, runs."""
    some = [_trials(result, "best", f"Best trials, by {result.goals[0].metric}", result.ranked()[:BEST])]
    if result.front:
        front = sorted((t for t in result.trials if t.number in result.front), key=lambda t: tuple(t.values))
        note = "Of each of these trials no other is as good in all goals and better in one."
        some.append(_trials(result, "front", "Pareto front", front, note))
    if any(result.importances.values()):
        some.append(_shares(result))
    return [*some, _runs(result)]


def _trials(result: SearchResult, name: str, title: str, trials: Sequence[Trial], note: str = "") -> Table:
    goals = [f"{goal.metric} ({'most' if goal.goal == 'maximize' else 'least'})" for goal in result.goals]
    timed = sum(t.seconds > 1 for t in trials) * 2 >= len(trials)
    lines = [
        [
            str(t.number),
            *(number(value) for value in t.values),
            *(value_text(t.point[path]) if path in t.point else "–" for path in result.space),
            str(t.seed),
            *([f"{t.seconds:.0f}" if t.seconds > 1 else "–"] if timed else []),
        ]
        for t in trials
    ]
    head = ["trial", *goals, *result.space, "seed", *(["seconds"] if timed else [])]
    return Table(name=name, title=title, head=head, lines=lines, note=note)


def value_text(value: object) -> str:
    """A drawn value, numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def _shares(result: SearchResult) -> Table:
    paths = sorted(result.space, key=lambda path: -max(shares.get(path, 0.0) for shares in result.importances.values()))
    lines = [[path, *(number(shares.get(path, math.nan)) for shares in result.importances.values())] for path in paths]
    note = "Share of what the fields explain of the difference between good trials and all (PED-ANOVA); rough below some 50 trials."
    return Table(name="importances", title="What matters", head=["", *result.importances], lines=lines, note=note)


def _runs(result: SearchResult) -> Table:
    lines = []
    for t in result.trials:
        origin = result.origins[t.run]
        cells = [number(value) for value in t.values]
        lines.append([str(t.number), str(t.seed), *cells, t.run, short_commit(origin.commit), result.configs[t.number], origin.hardware])
    first = 2 + len(result.goals)
    head = ["trial", "seed", *(goal.metric for goal in result.goals), "run", "commit", "config", "hardware"]
    return Table(name="runs", title="Runs", head=head, lines=lines, words=frozenset(range(first, first + 4)))
