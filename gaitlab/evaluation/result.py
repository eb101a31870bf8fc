"""What a retrieval protocol says about one set of embeddings, and how it is put together, printed and stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gaitlab.evaluation.averages import COUNTS, with_mean
from gaitlab.evaluation.protocol import RetrievalRules, Selection


@dataclass(frozen=True, repr=False)
class Result:
    """What a protocol says about one set of embeddings; all figures but counts in percent.

    table: a row for each probe set, and `mean` where no single row is the headline. Columns rank-k, mAP, mINP, `rank-1 same view`
        (view pairs only), probes and gallery (walks), rankings (averaged in that row), no_mate (those that had no mate to find);
        in an open set also DIR and TAR (`open_set.COLUMNS`) and impostors (walks), and all other figures are of the enrolled.
    headline: the row that rank1 and cmc (float64 `[50]`, rank-1 to rank-50) are of.
    matrices: probe set -> rank-1 by probe view (rows) and gallery view (columns), identical views included; view pairs only.
    rankings: a row for each probe and gallery group: `row` of the index, `set` (that of the gallery, or "" where all sets have
        one), `group` (gallery view, or ""), place (0: a mate came first), ap, inp (0 to 1, NaN without a mate), mates, ranked
        (walks in that ranking).
    positives, negatives: float32 samples of the distances between walks of the same and of different subjects.
    subjects: a row for each probe subject of the headline row (`Averages.subjects`): `subject`, `share`, `hits`.
    curves: open set only: FAR, and over it DIR and TAR of the headline row, float64 `[61]`, percent.
    unused: a line about the walks of the split that no set has (`unused`), or "".
    """

    protocol: str
    headline: str
    table: pd.DataFrame
    cmc: np.ndarray
    matrices: Mapping[str, pd.DataFrame]
    rankings: pd.DataFrame
    positives: np.ndarray
    negatives: np.ndarray
    subjects: pd.DataFrame
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    unused: str = ""

    @property
    def rank1(self) -> float:
        return float(self.table.loc[self.headline, "rank-1"])

    def __repr__(self) -> str:
        return self.text()

    def rows(self) -> list[dict[str, Any]]:
        """The table as `{"row", "metric", "value"}`, for JSON; a count is an int, what is undefined is None."""
        return table_rows(self.table)

    def text(self) -> str:
        """The table for a terminal or a log, two decimals."""
        return "\n".join([f"{self.protocol}, percent and counts", text_table(self.table), *([self.unused] if self.unused else [])])


def merged(results: Sequence[Result], protocol: RetrievalRules, chosen: Selection) -> Result:
    """One result of the probe sets of `protocol`, each with its own gallery; chosen: the walks of all sets."""
    names = list(protocol.probes)
    headline = protocol.headline_row()
    counted = [result for name, result in zip(names, results, strict=True) if headline in ("mean", name)]
    return Result(
        protocol=protocol.name,
        headline=headline,
        table=with_mean(pd.concat([result.table for result in results]), protocol, chosen),
        matrices={name: matrix for result in results for name, matrix in result.matrices.items()},
        rankings=pd.concat([r.rankings.assign(set=name) for name, r in zip(names, results, strict=True)], ignore_index=True),
        **_samples(results),
        **_means(counted),
    )


def averaged(results: Sequence[Result], rows: Sequence[np.ndarray]) -> Result:
    """One result of a protocol's disjoint galleries, means over them; rows: of the index, that each was given."""
    first = results[0]
    return Result(
        protocol=first.protocol,
        headline=first.headline,
        table=mean_table([result.table for result in results]),
        matrices={name: _mean([result.matrices[name] for result in results if name in result.matrices]) for name in first.matrices},
        rankings=pd.concat(
            [result.rankings.assign(row=own[result.rankings["row"]]) for result, own in zip(results, rows, strict=True)], ignore_index=True
        ),
        **_samples(results),
        **_means(results),
    )


def _samples(results: Sequence[Result]) -> dict[str, Any]:
    """Distances of all."""
    return {kind: np.concatenate([getattr(result, kind) for result in results]) for kind in ("positives", "negatives")}


def _means(results: Sequence[Result]) -> dict[str, Any]:
    """What counts alike of each."""
    return {
        "cmc": np.mean([result.cmc for result in results], axis=0),
        "subjects": _pooled([result.subjects for result in results]),
        "curves": {kind: np.mean([result.curves[kind] for result in results], axis=0) for kind in results[0].curves},
    }


def _mean(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return sum(frames[1:], frames[0]) / len(frames)


def mean_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Of disjoint galleries: percentages and the size of a gallery are means, other counts are sums."""
    table = _mean(tables)
    for column in (column for column in COUNTS if column in table):
        table[column] = (table[column] * (1 if column == "gallery" else len(tables))).round().astype(int)
    return table


def _pooled(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Shares and hits of probe sets that count alike."""
    return pd.concat([part.set_index("subject") / len(parts) for part in parts]).groupby("subject").sum().reset_index()


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """`{"row", "metric", "value"}` of every cell, for JSON; a count is an int, what is undefined is None."""
    return [
        {"row": str(row), "metric": metric, "value": _plain(metric, value)}
        for row, values in table.iterrows()
        for metric, value in values.items()
    ]


def finals(protocol: str, table: pd.DataFrame) -> dict[str, float]:
    """The table's cells as a run's final metrics, `protocol/row/metric`; what is undefined is left out."""
    return {f"{protocol}/{row['row']}/{row['metric']}": row["value"] for row in table_rows(table) if row["value"] is not None}


def text_table(table: pd.DataFrame) -> str:
    """Aligned plain text: percentages with two decimals, `-` where undefined, counts as they are."""

    def percent(value: float) -> str:
        return "-" if np.isnan(value) else f"{value:.2f}"

    return str(table.to_string(formatters={column: percent for column in table.columns if column not in COUNTS}))


def _plain(metric: str, value: float) -> int | float | None:
    if metric in COUNTS:
        return int(value)
    return None if np.isnan(value) else float(value)
