"""From a value for each ranking to the figures of a table: the averaging rules, as weights.

A ranking is one probe against one gallery group: the whole gallery, or the gallery of one view (`view-pairs`). Every figure
is `sum(weight * value)` over rankings, so the same rules serve measured hits and the chances of a random order.
Shapes: `q` probes, `m` groups.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from gaitlab.evaluation.protocol import Average, RetrievalRules, Selection

DEEPEST = 50
"""Ranks of a CMC curve."""

COUNTS = ("probes", "gallery", "rankings", "no_mate", "impostors", "walks")
"""Columns of a table that are numbers of walks or rankings; the others are percentages."""

SAME_VIEW = "rank-1 same view"


def gallery_groups(index: pd.DataFrame, chosen: Selection, protocol: RetrievalRules) -> dict[str, np.ndarray]:
    """Group name -> int64 positions in `chosen.gallery`: one group called "", or one of each gallery view."""
    if protocol.average != "view-pairs":
        return {"": np.arange(len(chosen.gallery))}
    views = index["view"].to_numpy()[chosen.gallery]
    return {str(view): np.flatnonzero(views == view) for view in np.unique(views.astype(str))}


def subject_codes(index: pd.DataFrame) -> np.ndarray:
    """int64 `[n]`: one number a subject; -1, nobody, for a walk without a label."""
    codes = pd.factorize(index["subject"])[0].astype(np.int64)
    return np.where((index["subject"] == "").to_numpy(), -1, codes)


def mates_and_ranked(index: pd.DataFrame, chosen: Selection, protocol: RetrievalRules) -> tuple[np.ndarray, np.ndarray]:
    """int `[q, m]` each: the mates that each ranking could find, and the walks in it; without a pixel."""
    subject, view = subject_codes(index), pd.factorize(index["view"])[0]
    drop = protocol.same_view == "drop" and protocol.average != "view-pairs"
    people, views = subject.max(initial=0) + 1, view.max(initial=0) + 1
    probes, nobody = chosen.probes, subject[chosen.probes] < 0
    mates, ranked = [], []
    for columns in gallery_groups(index, chosen, protocol).values():
        rows = chosen.gallery[columns]
        rows, size = rows[subject[rows] >= 0], len(rows)
        own = np.bincount(subject[rows], minlength=people)[subject[probes]]
        seen = np.bincount(subject[rows] * views + view[rows], minlength=people * views)[subject[probes] * views + view[probes]]
        left_out = np.where(nobody, 0, seen) if drop else np.zeros(len(probes), np.int64)
        mates.append(np.where(nobody, 0, own) - left_out)
        ranked.append(size - left_out)
    return np.stack(mates, 1), np.stack(ranked, 1)


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

    def __init__(self, index: pd.DataFrame, chosen: Selection, protocol: RetrievalRules, mates: np.ndarray) -> None:
        self.chosen, self.protocol = chosen, protocol
        self.has_mate = mates > 0
        self.labelled = index["subject"].to_numpy()[chosen.probes] != ""
        self.groups = list(gallery_groups(index, chosen, protocol))
        views = index["view"].to_numpy().astype(str)[chosen.probes]
        self.views, self.view = np.unique(views, return_inverse=True)
        self.by_view = protocol.average == "view-pairs"
        self.same_view = views[:, None] == np.array(self.groups)[None] if self.by_view else np.zeros(mates.shape, dtype=bool)
        self.asked = {name: self._asked(name, member) for name, member in chosen.members.items()}
        """Probe set -> bool `[q, m]`: the rankings that the protocol asks for, of the enrolled and of impostors, mates or not."""
        self.eligible = {name: asked & ~chosen.impostor[:, None] for name, asked in self.asked.items()}
        """The same without impostors: those in which somebody is to be found."""
        for name, eligible in self.eligible.items():
            if not (eligible & self.has_mate).any():
                what = f"protocol {protocol.name}: probe set {name}"
                raise ValueError(
                    f"{what}: none of its {chosen.members[name].sum()} walks has a mate (same subject) in the gallery; "
                    "test by a protocol whose sets these people are in, or ingest walks of them for both"
                )
        self._of_several(index)
        self.rank_weights = {name: self.weights(self.scored(eligible)) for name, eligible in self.eligible.items()}

    def _of_several(self, index: pd.DataFrame) -> None:
        """ValueError if a single person is all that a closed set's gallery has, who is then found by anything."""
        people = np.unique(index["subject"].to_numpy().astype(str)[self.chosen.gallery])
        if len(people) < 2 and self.protocol.enrolled is None:
            raise ValueError(
                f"protocol {self.protocol.name}: {people[0] or 'nobody'} is all people of the gallery, so whatever is sought is found; "
                "test on two people or more"
            )

    def _asked(self, name: str, member: np.ndarray) -> np.ndarray:
        asked = np.broadcast_to(member[:, None], self.has_mate.shape)
        if self.by_view and self.protocol.same_view == "drop":
            asked = asked & ~self.same_view
            if not asked.any():
                what = f"protocol {self.protocol.name}: probe set {name}"
                raise ValueError(
                    f"{what} is averaged over different views, but it and the gallery have only {self.groups[0]!r}; "
                    "ingest other views, too, or test by a protocol of your own with same_view='keep' (docs/own)"
                )
        return asked

    def scored(self, eligible: np.ndarray) -> np.ndarray:
        """Those that rank-k counts."""
        return eligible & self.has_mate if self.protocol.probes_without_mate == "left-out" else eligible

    def weights(self, counted: np.ndarray) -> np.ndarray:
        """`weights` by this protocol's rule."""
        return weights(counted, self.view, self.protocol.average)

    def table(
        self,
        hit: Callable[[int], np.ndarray],
        of_mates: Mapping[str, np.ndarray],
        further: Mapping[str, Mapping[str, float]] | None = None,
    ) -> pd.DataFrame:
        """A row for each probe set, and their mean unless one row is the headline.

        hit: k -> `[q, m]`, 0 to 1, whether a mate is among the first k. of_mates: column -> `[q, m]`, defined where a mate is.
        further: probe set -> columns that are there already, percent.
        """
        rows: dict[str, dict[str, float]] = {}
        for name, eligible in self.eligible.items():
            member, with_mate = self.chosen.members[name], self.weights(eligible & self.has_mate)
            row = {f"rank-{k}": _percent(self.rank_weights[name], hit(k)) for k in dict.fromkeys((1, *self.protocol.ranks))}
            row |= {column: _percent(with_mate, value) for column, value in of_mates.items()}
            if self.by_view:
                same = self.scored((member & ~self.chosen.impostor)[:, None] & self.same_view)
                row[SAME_VIEW] = _percent(self.weights(same), hit(1))
            row |= (further or {}).get(name, {})
            row |= {"probes": member.sum(), "gallery": len(self.chosen.gallery)}
            row |= {"rankings": self.scored(eligible).sum(), "no_mate": (eligible & ~self.has_mate).sum()}
            if self.protocol.enrolled is not None:
                row["impostors"] = (member & self.chosen.impostor).sum()
            rows[name] = row
        return with_mean(pd.DataFrame.from_dict(rows, orient="index"), self.protocol, self.chosen)

    def headline_sets(self) -> list[str]:
        """The probe sets whose mean is the headline."""
        headline = self.protocol.headline_row()
        return list(self.eligible) if headline == "mean" else [headline]

    def headline_weights(self) -> np.ndarray:
        """float64 `[q, m]`, what each ranking counts in rank-k of the headline."""
        return np.mean([self.rank_weights[name] for name in self.headline_sets()], axis=0)

    def cmc(self, hit: Callable[[int], np.ndarray]) -> np.ndarray:
        """float64 `[50]`, percent: rank-1 to rank-50 of the headline row."""
        weight = self.headline_weights()
        return np.array([_percent(weight, hit(k)) for k in range(1, DEEPEST + 1)])

    def subjects(self, subject: np.ndarray, hit: np.ndarray) -> pd.DataFrame:
        """A row for each probe subject: `share` of the headline row (they sum to 1) and `hits`, its part of that row's rank-1 (0 to 1).

        subject: of each probe. hit: `[q, m]`, whether a mate came first. Rank-1 of other subjects is `hits.sum() / share.sum()` of theirs.
        """
        weight = self.headline_weights()
        parts = pd.DataFrame({"subject": subject, "share": weight.sum(1), "hits": (weight * hit).sum(1)})
        return parts[parts["share"] > 0].groupby("subject", as_index=False).sum()

    def matrices(self, hit: np.ndarray) -> dict[str, pd.DataFrame]:
        """Probe set -> mean of `hit` `[q, m]` by probe view (rows) and gallery view (columns), percent; NaN in an empty cell."""
        if not self.by_view:
            return {}
        columns, out = pd.Index(self.groups, name="gallery view"), {}
        for name, member in self.chosen.members.items():
            counted = self.scored(np.broadcast_to((member & ~self.chosen.impostor)[:, None], hit.shape))
            total, number = _sums(np.where(counted, hit, 0.0), self.view), _sums(counted.astype(np.float64), self.view)
            cells = np.divide(100 * total, number, out=np.full_like(total, np.nan), where=number > 0)
            present = np.unique(self.view[member & ~self.chosen.impostor])
            out[name] = pd.DataFrame(cells[present], index=pd.Index(self.views[present], name="probe view"), columns=columns)
        return out


def with_mean(table: pd.DataFrame, protocol: RetrievalRules, chosen: Selection) -> pd.DataFrame:
    """Rows of probe sets, and their mean unless one row is the headline; there, walks and rankings are those of all sets."""
    if protocol.headline_row() == "mean":
        mean = table.mean()
        mean["probes"], mean["gallery"] = len(chosen.probes), len(chosen.gallery)
        mean[["rankings", "no_mate"]] = table[["rankings", "no_mate"]].sum()
        if "impostors" in table:
            mean["impostors"] = chosen.impostor.sum()
        table.loc["mean"] = mean
    return table.astype({column: int for column in COUNTS if column in table})


def _percent(weight: np.ndarray, value: np.ndarray) -> float:
    """NaN where nothing has a weight."""
    kept = weight > 0
    return 100 * float((weight[kept] * value[kept]).sum()) if kept.any() else float("nan")
