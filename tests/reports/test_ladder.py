"""Gains of one recogniser over the next lower one."""

import pytest

from gaitlab.reports.ladder import ladder
from gaitlab.reports.table import markdown


def test_each_rung_is_counted_from_the_one_below() -> None:
    people = [f"p{i}" for i in range(40)]
    low, middle, same = (dict.fromkeys(people, (1.0, hits)) for hits in (0.25, 0.75, 0.75))
    table = ladder("walkers", {"GEI": low, "baseline": middle, "CoD²": same})
    assert [line[:3] for line in table.lines] == [["GEI", "25.00", "–"], ["baseline", "75.00", "+50.00"], ["CoD²", "75.00", "+0.00"]]
    assert [line[4] for line in table.lines] == ["–", "GEI", "baseline"]
    assert table.marks == {(1, 2): "more", (1, 3): "more"}
    assert "**+50.00**" in markdown(table)
    assert "40 people" in table.note


def test_who_was_hard_for_both_widens_nothing() -> None:
    easy, hard = ({f"p{i}": (1.0, min(1.0, i / 50 + better)) for i in range(30)} for better in (0.1, 0.0))
    (_, value, gain, interval, _) = ladder("walkers", {"hard": hard, "easy": easy}).lines[1]
    assert float(gain) == pytest.approx(10.0)
    assert float(value) == pytest.approx(39.0)
    assert interval == "[+10.00, +10.00]"
