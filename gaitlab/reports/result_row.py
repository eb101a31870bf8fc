"""One number of a result file, and the words that its row and its metric are made of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One number and where it came from.

    row: what was measured, e.g. "GaitBase (half width)", or "retrieval/top20", "mocap: GEI" as one of several of a kind.
    metric: e.g. "rank-1 NM, %", or "Normal, cross view, %" with a setting. value: finite. run: MLflow run id; "" or "-" if there is none.
    hardware: `provenance.hardware_line()`.
    """

    row: str
    seed: int
    metric: str
    value: float
    run: str
    commit: str
    hardware: str


@dataclass(frozen=True)
class Metric:
    """A metric in its words: "Normal, cross view, %" has the name "Normal", the setting "cross view" and the unit "%"."""

    name: str
    setting: str
    unit: str

    def head(self) -> str:
        """Over a column: "Normal, cross view (%)"."""
        words = ", ".join(word for word in (self.name, self.setting) if word)
        return f"{words} ({self.unit})" if self.unit else words


def split_metric(metric: str) -> Metric:
    """What `ResultRow.metric` says. A run's own rank1 is in percent."""
    if re.search(r"\brank1\b", metric):
        return Metric(re.sub(r"\brank1\b", "rank-1", metric), "", "%")
    name, *words = metric.split(", ")
    return Metric(name, ", ".join(words[:-1]), words[-1] if words else "")


def split_rows(rows: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Row -> its kind and its name among those: "mocap: GEI" is ("mocap", "GEI"), and "GEI" is ("", "GEI").

    A kind is one word before ": " or "/" that several rows begin with; a row that is called like it belongs to it, under its own name.
    """
    rows = list(dict.fromkeys(rows))
    kinds = [match[1] for row in rows if (match := KIND.match(row))]
    split = {}
    for row in rows:
        match = KIND.match(row)
        if match and kinds.count(match[1]) > 1:
            split[row] = (match[1], match[2])
        else:
            split[row] = (row if row in kinds else "", row)
    return split


KIND = re.compile(r"([\w-]{2,})(?:: |/)(.+)")
