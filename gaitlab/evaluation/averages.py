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
        self.eligible = {name: self._eligible(name, member) for name, member in chosen.members.items()}
        self.rank_weights = {name: self._weights(self._scored(eligible)) for name, eligible in self.eligible.items()}

    def _eligible(self, name: str, member: np.ndarray) -> np.ndarray:
        """bool `[q, m]`: the rankings of a probe set that the protocol asks for, mates or not."""
        eligible = np.broadcast_to(member[:, None], self.has_mate.shape)
        what = f"protocol {self.protocol.name}: probe set {name}"
        if self.by_view and self.protocol.same_view == "drop":
            eligible = eligible & ~self.same_view
            if not eligible.any():
                raise ValueError(f"{what} is averaged over different views, but it and the gallery have only {self.groups[0]!r}")
        if not (eligible & self.has_mate).any():
            raise ValueError(f"{what}: none of its {member.sum()} walks has a mate (same subject) in the gallery")
        return eligible

    def _scored(self, eligible: np.ndarray) -> np.ndarray:
        """Those that rank-k counts."""
        return eligible & self.has_mate if self.protocol.probes_without_mate == "left-out" else eligible

    def _weights(self, counted: np.ndarray) -> np.ndarray:
        return weights(counted, self.view, self.protocol.average)

    def table(self, hit: Callable[[int], np.ndarray], of_mates: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """A row for each probe set, and their mean unless one row is the headline.

        hit: k -> `[q, m]`, 0 to 1, whether a mate is among the first k. of_mates: column -> `[q, m]`, defined where a mate is.
        """
        rows: dict[str, dict[str, float]] = {}
        for name, eligible in self.eligible.items():
            member, with_mate = self.chosen.members[name], self._weights(eligible & self.has_mate)
            row = {f"rank-{k}": _percent(self.rank_weights[name], hit(k)) for k in dict.fromkeys((1, *self.protocol.ranks))}
            row |= {column: _percent(with_mate, value) for column, value in of_mates.items()}
            if self.by_view:
                row[SAME_VIEW] = _percent(self._weights(self._scored(member[:, None] & self.same_view)), hit(1))
            row |= {"probes": member.sum(), "gallery": len(self.chosen.gallery)}
            row |= {"rankings": self._scored(eligible).sum(), "no_mate": (eligible & ~self.has_mate).sum()}
            rows[name] = row
        table = pd.DataFrame.from_dict(rows, orient="index")
        if self.protocol.headline_row() == "mean":
            mean = table.mean()
            mean["probes"] = len(self.chosen.probes)
            mean[["rankings", "no_mate"]] = table[["rankings", "no_mate"]].sum()
            table.loc["mean"] = mean
        return table.astype(dict.fromkeys(COUNTS, int))

    def cmc(self, hit: Callable[[int], np.ndarray]) -> np.ndarray:
        """float64 `[50]`, percent: rank-1 to rank-50 of the headline row."""
        headline = self.protocol.headline_row()
        sets = list(self.eligible) if headline == "mean" else [headline]
        weight = np.mean([self.rank_weights[name] for name in sets], axis=0)
        return np.array([_percent(weight, hit(k)) for k in range(1, DEEPEST + 1)])

    def matrices(self, hit: np.ndarray) -> dict[str, pd.DataFrame]:
        """Probe set -> mean of `hit` `[q, m]` by probe view (rows) and gallery view (columns), percent; NaN in an empty cell."""
        if not self.by_view:
            return {}
        columns, out = pd.Index(self.groups, name="gallery view"), {}
        for name, member in self.chosen.members.items():
            counted = self._scored(np.broadcast_to(member[:, None], hit.shape))
            total, number = _sums(np.where(counted, hit, 0.0), self.view), _sums(counted.astype(np.float64), self.view)
            cells = np.divide(100 * total, number, out=np.full_like(total, np.nan), where=number > 0)
            present = np.unique(self.view[member])
            out[name] = pd.DataFrame(cells[present], index=pd.Index(self.views[present], name="probe view"), columns=columns)
        return out


def _percent(weight: np.ndarray, value: np.ndarray) -> float:
    """NaN where nothing has a weight."""
    kept = weight > 0
    return 100 * float((weight[kept] * value[kept]).sum()) if kept.any() else float("nan")
