"""What each of several recognisers gains over another, in one test of one seed each."""

from collections.abc import Mapping
from itertools import pairwise

from gaitlab.reports import bootstrap
from gaitlab.reports.bootstrap import Parts
from gaitlab.reports.table import Mark, Table, interval, number, signed


def ladder(protocol: str, rungs: Mapping[str, Parts], over: Mapping[str, str] | None = None) -> Table:
    """Rank-1 of each rung, and its gain over another one.

    rungs: label -> people of the test -> (share, hits), all of the same people (`runs.summary.Summary.subjects`). over: label -> the one
    that its gain is over; if not given, each is over the one before it.
    """
    lines: list[list[str]] = []
    marks: dict[tuple[int, int], Mark] = {}
    lower = {label: below for below, label in pairwise(rungs)} if over is None else over
    for label, parts in rungs.items():
        value = 100 * sum(hits for _, hits in parts.values()) / sum(share for share, _ in parts.values())
        below = lower.get(label, "")
        gain = bootstrap.gain({0: parts}, {0: rungs[below]}) if below else None
        told = [signed(gain.value), interval(gain.low, gain.high, sign=True), below] if gain else ["–", "–", "–"]
        if gain and gain.certain:
            marks |= dict.fromkeys([(len(lines), 2), (len(lines), 3)], "more" if gain.value > 0 else "less")
        lines.append([label, number(value), *told])
    people = len(next(iter(rungs.values())))
    return Table(
        name="gains",
        title=f"Gains ({protocol})",
        head=["", "rank-1", "gain", "95 % of the gain", "over"],
        lines=lines,
        marks=marks,
        words=frozenset({0, 4}),
        note=f"Percent and points. The intervals draw the {people} people anew; of one seed each, they are blind to what another would "
        "have made. Marked: 0 is outside.",
    )
