"""What a test came to: its figures, and what a report shows of it. Whoever reports need not know the kind of protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gaitlab.home import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class File:
    """A file for people to send on: its text (UTF-8), what it is `about`, and a remark for the line that says where it lies."""

    text: str
    about: str
    remark: str = ""

    def write(self, path: Path) -> Path:
        """Writes the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, self.text)
        return path

    def line(self, path: Path) -> str:
        return f"{self.about}: {path}" + (f" {self.remark}" if self.remark else "")


@dataclass(frozen=True, kw_only=True, repr=False)
class Tested:
    """What a protocol says about one embedder; every field may be left out.

    headline: what the test comes down to, percent (NaN: it has no score), and what that is called: measure.
    metrics: every final figure under its full name, e.g. `walkers/rank1`. subjects: protocol -> probe subject -> (share, hits)
        of the headline (`averages`); of classical rows under `protocol/ROW`.
    text: what is printed. tables: name -> table to keep. figures, files: name (of a file with its ending) -> what makes it, called
        only by those who want it: not by each of several ranks, not for a score on the way.
    rank1, classes: rows of the run's final tables (`runs.summary`), this embedder's and those beside it.
    """

    headline: float = float("nan")
    measure: str = "rank-1"
    metrics: Mapping[str, float] = field(default_factory=dict)
    subjects: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    text: str = ""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Callable[[], "Figure"]] = field(default_factory=dict)
    files: Mapping[str, Callable[[], File]] = field(default_factory=dict)
    rank1: pd.DataFrame = field(default_factory=pd.DataFrame)
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        return self.text


def final_rows(protocol: str, measured: str, rows: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Rows of a run's final table: percent, a row for each label, under the protocol's name."""
    table = pd.DataFrame(rows).T
    table.index = pd.MultiIndex.from_product([[protocol], table.index], names=["benchmark", f"{measured} (%)"])
    return table
