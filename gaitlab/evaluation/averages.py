"""From a value for each ranking to the figures of a table: the averaging rules, as weights.

A ranking is one probe against one gallery group: the whole gallery, or the gallery of one view (`view-pairs`). Every figure
is `sum(weight * value)` over rankings, so the same rules serve measured hits and the chances of a random order.
Shapes: `q` probes, `m` groups.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from gaitlab.evaluation.protocol import Average, RetrievalProtocol, Selection

DEEPEST = 50
"""Ranks of a CMC curve."""

COUNTS = ("probes", "gallery", "rankings", "no_mate")
"""Columns of a table that are numbers of walks or rankings; the others are percentages."""

SAME_VIEW = "rank-1 same view"


def gallery_groups(index: pd.DataFrame, chosen: Selection, protocol: RetrievalProtocol) -> dict[str, np.ndarray]:
    """Group name -> int64 positions in `chosen.gallery`: one group called "", or one of each gallery view."""
    if protocol.average != "view-pairs":
        return {"": np.arange(len(chosen.gallery))}
    views = index["view"].to_numpy()[chosen.gallery]
    return {str(view): np.flatnonzero(views == view) for view in np.unique(views.astype(str))}


def weights(counted: np.ndarray, view: np.ndarray, average: Average) -> np.ndarray:
    """float64 `[q, m]` that sum to 1 (all 0 where nothing is counted), equal within a view or pair of views as `average` says.

    counted: bool `[q, m]`, the rankings that take part. view: int `[q]`, of the probe. A cell without a ranking takes no part.
    """
    share = counted.astype(np.float64)
    if average == "view-pairs":
        share = _evened(share, _sums(share, view)[view])
    if average != "probes":
        share = _evened(share, _sums(share, view).sum(1)[view][:, None])
    return _evened(share, np.full((1, 1), share.sum()))


def _sums(share: np.ndarray, view: np.ndarray) -> np.ndarray:
    """float64 `[views, m]`."""
    total = np.zeros((view.max(initial=0) + 1, share.shape[1]))
    np.add.at(total, view, share)
    return total


def _evened(share: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(share, total, out=np.zeros_like(share), where=total > 0)


class Averages:
    """A protocol's rules for one selection of walks; `mates` int `[q, m]` are the mates that each ranking could find."""

    def __init__(self, index: pd.DataFrame, chosen: Selection, protocol: RetrievalProtocol, mates: np.ndarray) -> None:
        self.chosen, self.protocol = chosen, protocol
        self.has_mate = mates > 0
        self.groups = list(gallery_groups(index, chosen, protocol))
        views = index["view"].to_numpy().astype(str)[chosen.probes]
        self.views, self.view = np.unique(views, return_inverse=True)
        self.by_view = protocol.average == "view-pairs"
        self.same_view = views[:, None] == np.array(self.groups)[None] if self.by_view else np.zeros(mates.shape, dtype=bool)
        self.counted = {name: self._counted(name, member) for name, member in chosen.members.items()}

    def _counted(self, name: str, member: np.ndarray) -> np.ndarray:
        counted = np.broadcast_to(member[:, None], self.has_mate.shape)
        what = f"protocol {self.protocol.name}: probe set {name}"
        if self.by_view and self.protocol.same_view == "drop":
            counted = counted & ~self.same_view
            if not counted.any():
                raise ValueError(
                    f"{what} is averaged over pairs of different views, but it and the gallery only have {self.groups[0]!r}"
                )
        if not (counted & self.has_mate).any():
            raise ValueError(f"{what}: none of its {member.sum()} walks has a mate (a walk of the same subject) in the gallery")
        return counted

    def _mean(self, value: np.ndarray, counted: np.ndarray) -> float:
        """Percent; NaN where nothing is counted."""
        weight = weights(counted, self.view, self.protocol.average)
        return 100 * float((weight * value).sum(where=weight > 0)) if counted.any() else float("nan")

    def _rank_k(self, hit: np.ndarray, counted: np.ndarray) -> float:
        return self._mean(hit, counted & self.has_mate if self.protocol.probes_without_mate == "left-out" else counted)

    def table(self, hit: Callable[[int], np.ndarray], of_mates: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """A row for each probe set, and their mean unless one row is the headline.

        hit: k -> `[q, m]`, 0 to 1, whether a mate is among the first k. of_mates: column -> `[q, m]`, defined where a mate is.
        """
        rows: dict[str, dict[str, float]] = {}
        for name, counted in self.counted.items():
            member = self.chosen.members[name][:, None]
            row = {f"rank-{k}": self._rank_k(hit(k), counted) for k in dict.fromkeys((1, *self.protocol.ranks))}
            row |= {column: self._mean(value, counted & self.has_mate) for column, value in of_mates.items()}
            if self.by_view:
                row[SAME_VIEW] = self._rank_k(hit(1), member & self.same_view)
            row |= {"probes": member.sum(), "gallery": len(self.chosen.gallery)}
            row |= {"rankings": counted.sum(), "no_mate": (counted & ~self.has_mate).sum()}
            rows[name] = row
        table = pd.DataFrame.from_dict(rows, orient="index")
        if self.protocol.headline_row() == "mean":
            mean = table.mean()
            mean["probes"], mean["rankings"], mean["no_mate"] = (
                len(self.chosen.probes),
                table["rankings"].sum(),
                table["no_mate"].sum(),
            )
            table.loc["mean"] = mean
        return table.astype(dict.fromkeys(COUNTS, int))

    def cmc(self, hit: Callable[[int], np.ndarray]) -> np.ndarray:
        """float64 `[50]`, percent: rank-1 to rank-50 of the headline row."""
        headline = self.protocol.headline_row()
        sets = list(self.counted) if headline == "mean" else [headline]
        return np.array([np.mean([self._rank_k(hit(k), self.counted[name]) for name in sets]) for k in range(1, DEEPEST + 1)])

    def matrices(self, hit: np.ndarray) -> dict[str, pd.DataFrame]:
        """Probe set -> mean of `hit` `[q, m]` by probe view (rows) and gallery view (columns), percent; NaN where there is none."""
        if not self.by_view:
            return {}
        out = {}
        for name, member in self.chosen.members.items():
            counted = np.broadcast_to(member[:, None], hit.shape)
            if self.protocol.probes_without_mate == "left-out":
                counted = counted & self.has_mate
            total, number = _sums(np.where(counted, hit, 0.0), self.view), _sums(counted.astype(np.float64), self.view)
            cells = np.divide(100 * total, number, out=np.full_like(total, np.nan), where=number > 0)
            matrix = pd.DataFrame(
                cells, index=pd.Index(self.views, name="probe view"), columns=pd.Index(self.groups, name="gallery view")
            )
            out[name] = matrix.loc[np.unique(self.views[self.view[member]])]
        return out
