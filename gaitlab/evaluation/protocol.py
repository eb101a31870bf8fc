"""A benchmark's protocol is a value: which walks are the gallery, which are probes, and how rankings are averaged.

`evaluate` never learns a benchmark's name; a new one is a new value in `protocols.py`.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd

from gaitlab.config import Config, plain_name
from gaitlab.data.store import Store
from gaitlab.evaluation.embedder import Distance, Embedder
from gaitlab.evaluation.tested import Tested
from gaitlab.types import Modality
from gaitlab.within import Count, Within

Average = Literal["probes", "views", "view-pairs"]
"""How rankings become one number.

probes: every probe ranks the whole gallery; mean over probes.
views: the same rankings; mean over the probes of each view, then over views.
view-pairs: every probe ranks the gallery of each view on its own; mean over the probes of each (probe view, gallery view),
then over the gallery views of a probe view, then over probe views (the single-view gallery of GaitSet, Chao et al., AAAI 2019).
"""


@dataclass(frozen=True, kw_only=True)
class Where(Config):
    """Which walks of an index are meant; None means any.

    conditions: exactly this set, () is a plain walk. contains: at least this condition. The rest: one of these values.
    """

    conditions: tuple[str, ...] | None = None
    contains: str | None = None
    session: tuple[str, ...] | None = None
    take: tuple[str, ...] | None = None
    view: tuple[str, ...] | None = None
    role: tuple[str, ...] | None = None

    def mask(self, index: pd.DataFrame) -> np.ndarray:
        """bool `[n]`: the rows that match."""
        found = np.ones(len(index), dtype=bool)
        for column in ("session", "take", "view", "role"):
            values = getattr(self, column)
            if values is not None:
                found &= index[column].isin(values).to_numpy()
        if self.conditions is not None:
            wanted = set(self.conditions)
            found &= np.fromiter((set(c) == wanted for c in index["conditions"]), bool, len(index))
        if self.contains is not None:
            found &= np.fromiter((self.contains in c for c in index["conditions"]), bool, len(index))
        return found

    def __str__(self) -> str:
        asked = {name: value for name, value in vars(self).items() if value is not None}
        parts = [
            f"{name} {spelled(value) if name in ('conditions', 'contains') else ' | '.join(spelled(v) for v in value)}"
            for name, value in asked.items()
        ]
        return ", ".join(parts) or "any walk"


@dataclass(frozen=True, kw_only=True)
class AnyProtocol(Config):
    """What retrieval, submissions and classification have in common: they use walks of one split, and test a network by themselves.

    A subclass says `sides` and `test`, and runs, reports and sweeps take it as they take these.
    scored: whether there is a number that tells a better network from a worse one.
    """

    scored: ClassVar[bool] = True
    name: str
    split: str = "test"

    def __post_init__(self) -> None:
        super().__post_init__()
        plain_name(self.name, "a protocol")

    def sides(self, index: pd.DataFrame) -> list[tuple[Modality | None, np.ndarray]]:
        """What is embedded from which modality (None: the method's own), int64 rows; ValueError if the index lacks what is asked for."""
        raise NotImplementedError

    def check(self, index: pd.DataFrame) -> None:
        """ValueError if walks of this index cannot be tested, or to no purpose; asked before anything is trained."""
        self.sides(index)

    def test(self, embedder: Embedder, store: Store, *, learn_from: Sequence[Store] | None = None) -> Tested:
        """What the embedder makes of the store's walks; every rank calls it.

        learn_from: None is the embedder alone. Given, baselines stand beside it, which take time; those that learn do so from the
            training people of `store`, else of the first of these stores that has some.
        """
        raise NotImplementedError

    def with_distance(self, distance: Distance) -> Self:
        """The same, walks compared this way; where it is another way, the name says so."""
        raise ValueError(f"protocol {self.name!r} compares no walks; leave distance {distance!r} out")


@dataclass(frozen=True, kw_only=True)
class RetrievalRules(AnyProtocol):
    """The rules of a retrieval: every probe ranks the gallery; a hit is a gallery walk of the same subject.

    A protocol that is tested by them is a `retrieval_protocol.RetrievalProtocol`.

    gallery: of all probe sets, or probe set -> its own; then a walk may be a probe in one set and in the gallery of another.
    same_view: `drop` takes the gallery walks of the probe's own subject *and* view out of its ranking; where rankings
        are per view pair it leaves the pairs of identical views out of the mean (they get a column of their own).
    ranks: the k of rank-k.
    probes_without_mate: rank-k counts them as `wrong`, or they are `left-out`. AP and INP exist only where a mate does.
    distance: None leaves it to the method.
    headline: probe set whose row is the headline; None is the mean over probe sets.
    modality: that of the probes and that of the gallery, e.g. ("silhouette", "range"); None leaves it to the method.
    enrolled: share of the people who stay in the gallery; the others become impostors, whose probes nobody may be found for
        (`open_set`). Who is enrolled depends on a subject's name alone. None is a closed set: everybody is.
    people: of one gallery. More test people are cut, in the order of their names, into disjoint galleries of so many, each a test by
        itself, and figures are means over them: more people make a figure surer, not harder. Who is left over is left out.
    """

    gallery: Where | Mapping[str, Where]
    probes: Mapping[str, Where]
    average: Average = "probes"
    same_view: Literal["keep", "drop"] = "keep"
    probes_without_mate: Literal["wrong", "left-out"] = "wrong"
    ranks: tuple[Count, ...] = (1,)
    distance: Distance | None = None
    headline: str | None = None
    modality: tuple[Modality, Modality] | None = None
    enrolled: Annotated[float, Within(above=0, below=1)] | None = None
    people: Annotated[int, Within(2)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.headline is not None and self.headline not in self.probes:
            raise ValueError(f"protocol {self.name}: headline {self.headline!r} is none of its probe sets {', '.join(self.probes)}")
        if not isinstance(self.gallery, Where) and set(self.gallery) != set(self.probes):
            raise ValueError(f"protocol {self.name}: galleries of {', '.join(self.gallery)} for the probe sets {', '.join(self.probes)}")

    def with_one_gallery(self) -> "tuple[RetrievalRules, ...]":
        """This protocol; or one for each probe set, where each has a gallery of its own."""
        if isinstance(self.gallery, Where):
            return (self,)
        galleries = self.gallery
        return tuple(replace(self, gallery=galleries[name], probes={name: asked}, headline=None) for name, asked in self.probes.items())

    def sides(self, index: pd.DataFrame) -> list[tuple[Modality | None, np.ndarray]]:
        """All walks at once; or probes and gallery, each from its modality."""
        chosen = select(index, self)
        if self.modality is not None and self.cross_modal:
            return [(self.modality[0], chosen.probes), (self.modality[1], chosen.gallery)]
        return [(self.modality[0] if self.modality else None, np.union1d(chosen.probes, chosen.gallery))]

    def with_distance(self, distance: Distance) -> Self:
        return self if self.distance == distance else replace(self, distance=distance, name=f"{self.name}-{distance}")

    def headline_row(self) -> str:
        """Name of the table's row that the headline is taken from."""
        if self.headline is not None:
            return self.headline
        return next(iter(self.probes)) if len(self.probes) == 1 else "mean"

    @property
    def cross_modal(self) -> bool:
        """Whether probes and gallery are embedded from different modalities."""
        return self.modality is not None and self.modality[0] != self.modality[1]


@dataclass(frozen=True)
class Selection:
    """The rows of an index that a protocol uses.

    gallery: int64 `[g]`, probes: int64 `[q]` (each walk once, those of all sets), members: probe set -> bool `[q]`.
    impostor: bool `[q]`, probes of people who are not enrolled; none in a closed set.
    """

    gallery: np.ndarray
    probes: np.ndarray
    members: dict[str, np.ndarray]
    impostor: np.ndarray


def select(index: pd.DataFrame, protocol: RetrievalRules) -> Selection:
    """Gallery and probe rows of the protocol's split. An empty set is a ValueError that says what there is instead."""
    if not isinstance(protocol.gallery, Where):
        return _union([select(index, part) for part in protocol.with_one_gallery()])
    rows = np.sort(np.concatenate(galleries(index, protocol)))
    walks = index.iloc[rows]
    gallery = found(walks, protocol.gallery, f"protocol {protocol.name}: the gallery")
    masks = {name: found(walks, where, f"protocol {protocol.name}: probe set {name}") for name, where in protocol.probes.items()}
    for name, mask in masks.items():
        if (mask & gallery).any():
            shared = walks["key"].iloc[int(np.flatnonzero(mask & gallery)[0])]
            raise ValueError(f"protocol {protocol.name}: {shared} is in the gallery and in probe set {name}; a walk would find itself")
    subject = walks["subject"].to_numpy()
    impostor = np.zeros(len(walks), dtype=bool)
    if protocol.enrolled is not None:
        member = enrolled(subject, protocol.enrolled)
        gallery, impostor = gallery & member, ~member & (subject != "")
        for name, mask in masks.items():
            if not gallery.any() or not (mask & impostor).any():
                people = len(np.unique(subject[mask]))
                raise ValueError(
                    f"protocol {protocol.name}: of the {people} people of probe set {name} "
                    f"{'none is' if not gallery.any() else 'all are'} enrolled at enrolled={protocol.enrolled}; "
                    "an open set needs both kinds: give more people or another share"
                )
    union = np.any(list(masks.values()), axis=0)
    return Selection(rows[gallery], rows[union], {name: mask[union] for name, mask in masks.items()}, impostor[union])


def _union(parts: Sequence[Selection]) -> Selection:
    """All that probe sets with galleries of their own use."""
    probes = np.unique(np.concatenate([part.probes for part in parts]))
    return Selection(
        gallery=np.unique(np.concatenate([part.gallery for part in parts])),
        probes=probes,
        members={name: np.isin(probes, part.probes) for part in parts for name in part.members},
        impostor=np.isin(probes, np.concatenate([part.probes[part.impostor] for part in parts])),
    )


def rows_of(sides: Sequence[tuple[Modality | None, np.ndarray]]) -> np.ndarray:
    """int64, in the order of the index: all that `AnyProtocol.sides` names, each walk once."""
    return np.unique(np.concatenate([rows for _, rows in sides]))


def enrolled(subjects: np.ndarray, share: float) -> np.ndarray:
    """bool `[n]`: whether these people belong to the enrolled, about `share` of all; each by the CRC-32 of the own name alone.

    Nobody ("", a walk without a label) is never enrolled.
    """
    names, which = np.unique(subjects.astype(str), return_inverse=True)
    inside = [name != "" and zlib.crc32(name.encode()) % 9973 < share * 9973 for name in names]
    return np.array(inside, dtype=bool)[which]


def of_split(index: pd.DataFrame, split: str, name: str) -> np.ndarray:
    """int64 rows of the split that the protocol `name` is about."""
    _readable(index, name)
    inside = (index["split"] == split).to_numpy()
    if not inside.any():
        counts = index["split"].value_counts()
        there = ", ".join(f"{split!r} ({count} walks)" for split, count in counts.items()) or "no walks at all"
        raise ValueError(f"protocol {name}: no walk of split {split!r}; the index has {there}")
    return np.flatnonzero(inside)


EXAMPLE: Mapping[str, Any] = {
    "key": "7/bag/1/090", "subject": "7", "session": "", "conditions": ("bag",), "view": "090", "take": "1", "split": "test", "role": "",
}  # fmt: skip
"""A row of an index, with all columns that protocols ask for; what data do not tell is ""."""


def _readable(index: pd.DataFrame, name: str) -> None:
    """ValueError, with an example, for an index that lacks columns or has other values than text in them."""
    if lacking := [column for column in EXAMPLE if column not in index.columns]:
        raise ValueError(f"protocol {name}: the index has no column {', '.join(lacking)}; a row of it is e.g. {dict(EXAMPLE)}")
    for column, example in EXAMPLE.items():
        values = index[column]
        if column != "conditions" and pd.api.types.infer_dtype(values, skipna=False) in ("string", "empty"):
            continue
        wrong = [value for value in values if not (_words(value) if column == "conditions" else isinstance(value, str))]
        if wrong:
            raise ValueError(f"protocol {name}: column {column} of the index holds {wrong[0]!r}; its values are e.g. {example!r}")


def _words(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(word, str) for word in value)


def galleries(index: pd.DataFrame, protocol: RetrievalRules) -> list[np.ndarray]:
    """int64 rows of the people of each gallery that is a test by itself; one, unless the protocol says of how many `people` it is."""
    rows = of_split(index, protocol.split, protocol.name)
    if protocol.people is None:
        return [rows]
    walks, subject = index.iloc[rows], index["subject"].to_numpy(dtype=str)[rows]
    sets = [protocol.gallery] if isinstance(protocol.gallery, Where) else [*protocol.gallery.values()]
    asked = np.logical_or.reduce([where.mask(walks) for where in (*sets, *protocol.probes.values())])
    names = np.unique(subject[asked & (subject != "")])
    whole = max(1, len(names) // protocol.people)
    return [rows[np.isin(subject, names[i * protocol.people : (i + 1) * protocol.people])] for i in range(whole)]


def found(walks: pd.DataFrame, where: Where, what: str) -> np.ndarray:
    """bool `[n]`: the walks that are meant, at least one."""
    mask = where.mask(walks)
    if mask.any():
        return mask
    asked = [name for name, value in vars(where).items() if value is not None]
    there = []
    for column in dict.fromkeys("conditions" if name == "contains" else name for name in asked):
        values = sorted({spelled(value) for value in walks[column]})
        there.append(f"{column} {' | '.join(values[:12])}{' | ...' if len(values) > 12 else ''}")
    raise ValueError(f"{what} ({where}) matches none of the {len(walks)} walks; they have {'; '.join(there)}")


def spelled(value: str | tuple[str, ...]) -> str:
    """A label, or a set of conditions."""
    return (value or "(none)") if isinstance(value, str) else "+".join(value) or "(plain)"
