"""What a run came to: its figures, and its tables for the end of its output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """metrics: every final figure, e.g. `walkers/rank1`, percent. subjects: protocol -> probe subject -> (share, hits) of its headline
    (`evaluation.averages`), which a bootstrap over identities resamples; of classical rows under `protocol/ROW`.

    rank1: percent, a row for each (benchmark, method), a column for each probe set; NaN where a test lacks it.
    classes: percent, a row for each (benchmark, method) that tells classes apart. files: a line for each file for a server.
    headline: rank-1 (or accuracy, as `measure` says) of the network in the first test that has one, as its protocol defines it.
    run: id of the run, "" where there is none. changes: a line for each time that it went on with another config (`runs.changes`).
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    subjects: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    rank1: pd.DataFrame = field(default_factory=pd.DataFrame)
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: tuple[str, ...] = ()
    headline: float = float("nan")
    measure: str = "rank-1"
    run: str = ""
    changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, tests: Sequence["Summary"]) -> "Summary":
        """The tests of one run."""
        first = next((t for t in tests if np.isfinite(t.headline)), cls())
        return cls(
            metrics={name: value for t in tests for name, value in t.metrics.items()},
            subjects={name: parts for t in tests for name, parts in t.subjects.items()},
            rank1=_stacked([t.rank1 for t in tests]),
            classes=_stacked([t.classes for t in tests]),
            files=tuple(line for t in tests for line in t.files),
            headline=first.headline,
            measure=first.measure,
        )

    @property
    def tests(self) -> list[str]:
        """Protocols whose `subjects` are known, in their order."""
        return [name for name in self.subjects if "/" not in name]

    def __repr__(self) -> str:
        return self.text()

    def text(self) -> str:
        """Tables and files for a terminal, and a last line `rank-1 27.8` where there is a headline."""
        parts = [table.to_string(float_format="%.1f", na_rep="-") for table in (self.rank1, self.classes) if len(table)]
        parts += ["\n".join(lines) for lines in (self.files, self.changes) if lines]
        parts += [f"{self.measure} {self.headline:.1f}"] if np.isfinite(self.headline) else []
        return "\n\n".join(parts) or "nothing was tested"


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    some = [table for table in tables if len(table)]
    return pd.concat(some) if some else pd.DataFrame()
