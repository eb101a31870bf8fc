"""Benchmarks whose probes have no published identity: a CSV file of the nearest people, to be scored by whoever knows.

Each line names a probe's video and the subjects of its nearest gallery walks, nearest first; a subject comes as often as walks of its
own are near. What is written was read back: every probe once, as many columns as the header, only labels of the gallery.
"""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gaitlab.data.store import Store
from gaitlab.evaluation.embedder import Distance, Embedder
from gaitlab.evaluation.evaluate import taken
from gaitlab.evaluation.protocol import AnyProtocol, Where, found, of_split
from gaitlab.evaluation.rerank import Rerank, reranking
from gaitlab.evaluation.retrieval import BUDGET, top
from gaitlab.evaluation.tested import File, Tested
from gaitlab.evaluation.unused import unused
from gaitlab.types import Modality


@dataclass(frozen=True, kw_only=True)
class SubmissionProtocol(AnyProtocol):
    """How a benchmark wants its file.

    video: column of the index that names a probe's video. header: the file's first line; the columns after the first are ranks.
    labels: subjects as they are called (`text`), or as numbers, without leading zeros (`integer`).
    rerank: how rankings are revised (`rerank`); None leaves them as they are. how: what to do with the file, for people.
    """

    scored: ClassVar[bool] = False
    gallery: Where
    probes: Where
    video: Literal["session", "take", "view"]
    header: tuple[str, ...]
    labels: Literal["text", "integer"] = "text"
    distance: Distance | None = None
    rerank: Rerank | None = None
    how: str = ""

    def sides(self, index: pd.DataFrame) -> list[tuple[Modality | None, np.ndarray]]:
        return [(None, np.union1d(*entrants(index, self)))]

    def test(self, embedder: Embedder, store: Store, *, learn_from: Sequence[Store] | None = None) -> Tested:
        """A file, and no score to hold against a baseline's."""
        ((modality, rows),) = self.sides(store.index)
        embeddings = embedder.embed(store, rows, modality)

        def file() -> File:
            return submit(embeddings, store.index.iloc[rows], self, distance=embedder.distance, device=embedder.device).file()

        return Tested(text=unused(store.index, self), files={f"submissions/{self.name}.csv": file})

    def with_distance(self, distance: Distance) -> Self:
        return self if self.distance == distance else replace(self, distance=distance, name=f"{self.name}-{distance}")


@dataclass(frozen=True, repr=False)
class Submission:
    """The file's text (UTF-8), what to do with it, and a line about walks that no set has, or ""."""

    protocol: str
    csv: str
    how: str
    unused: str = ""

    def __repr__(self) -> str:
        return f"{self.file().about} {self.file().remark}"

    def file(self) -> File:
        probes = f"({self.csv.count(chr(10)) - 1} probes)"
        return File(self.csv, f"submission for {self.protocol}", f"{probes}; {self.how}" if self.how else probes)


def entrants(index: pd.DataFrame, protocol: SubmissionProtocol) -> tuple[np.ndarray, np.ndarray]:
    """int64 rows of the probes and of the gallery; ValueError if their names cannot be written down."""
    rows, who = of_split(index, protocol.split, protocol.name), f"protocol {protocol.name}"
    walks = index.iloc[rows]
    probe = found(walks, protocol.probes, f"{who}: the probes")
    gallery = found(walks, protocol.gallery, f"{who}: the gallery")
    if (both := probe & gallery).any():
        raise ValueError(f"{who}: {walks['key'].iloc[int(both.argmax())]} is in the gallery and a probe; a walk would find itself")
    videos = walks.loc[probe, protocol.video]
    if (videos == "").any():
        raise ValueError(f"{who}: the probe {walks.loc[probe, 'key'][videos == ''].iloc[0]} has no {protocol.video} to name its video by")
    if (again := videos.duplicated()).any():
        example = videos[again].iloc[0]
        raise ValueError(
            f"{who}: {(videos == example).sum()} probes have the {protocol.video} {example!r}; each video needs a name of its own"
        )
    if (walks.loc[gallery, "subject"] == "").any():
        raise ValueError(f"{who}: the gallery's {walks.loc[gallery & (walks['subject'] == '').to_numpy(), 'key'].iloc[0]} has no subject")
    names = walks.loc[gallery, "subject"].unique()
    written = label_of(names, protocol)
    if len(set(written)) < len(names):
        raise ValueError(
            f"{who}: {len(names)} subjects become {len(set(written))} labels as numbers; rename those that differ in leading zeros only"
        )
    ranks = len(protocol.header) - 1
    if gallery.sum() < ranks:
        raise ValueError(f"{who}: a line names {ranks} walks of the gallery, which has {gallery.sum()}")
    return rows[probe], rows[gallery]


def label_of(subjects: np.ndarray, protocol: SubmissionProtocol) -> list[str]:
    """What a file calls these people."""
    if protocol.labels == "text":
        return [str(subject) for subject in subjects]
    if odd := [subject for subject in subjects if not (subject.isascii() and subject.isdecimal())]:
        raise ValueError(f"protocol {protocol.name}: labels are numbers, and the gallery's subject {odd[0]!r} is none")
    return [str(int(subject)) for subject in subjects]


def submit(
    embeddings: np.ndarray | Tensor,
    index: pd.DataFrame,
    protocol: SubmissionProtocol,
    *,
    distance: Distance = "euclidean",
    device: str | torch.device = "cpu",
    budget: int = BUDGET,
) -> Submission:
    """The file of embeddings, float `[n, p, d]`, rows aligned with `index`; lines in the order of the index. Arguments as in `evaluate`."""
    rows, others = entrants(index, protocol)
    probes, gallery = (taken(embeddings, index, chosen).to(device) for chosen in (rows, others))
    near = nearest(probes, gallery, len(protocol.header) - 1, distance=protocol.distance or distance, rerank=protocol.rerank, budget=budget)
    labels = np.array(label_of(index["subject"].to_numpy()[others], protocol))
    videos = index[protocol.video].to_numpy()[rows]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(protocol.header)
    lines.writerows([video, *labels[columns]] for video, columns in zip(videos, near, strict=True))
    read_back(text.getvalue(), protocol, videos, set(labels))
    return Submission(protocol.name, text.getvalue(), protocol.how, unused(index, protocol))


def nearest(
    probes: Tensor, gallery: Tensor, ranks: int, *, distance: Distance, rerank: Rerank | None = None, budget: int = BUDGET
) -> np.ndarray:
    """int64 `[q, ranks]`: the nearest of the gallery `[g, p, d]` to each of the probes `[q, p, d]`; of equally near ones the first.

    Memory: a tile of the distance matrix (and what re-ranking takes).
    """
    if rerank is None:
        return top(probes, gallery, ranks, distance=distance, budget=budget)[0]
    final = reranking(probes, gallery, rerank, distance=distance, budget=budget)
    step = max(1, budget // (64 * len(gallery)))
    tiles = (final(slice(start, start + step)).cpu().numpy() for start in range(0, len(probes), step))
    return np.concatenate([np.argsort(tile, axis=1, kind="stable")[:, :ranks] for tile in tiles])


def read_back(text: str, protocol: SubmissionProtocol, videos: Collection[str], labels: Collection[str]) -> None:
    """ValueError unless `text` is a file as `protocol` wants it, of all `videos` and only of `labels`."""
    what = f"submission for {protocol.name}"
    header, *lines = list(csv.reader(io.StringIO(text))) or [[]]
    if tuple(header) != protocol.header:
        raise ValueError(f"{what}: the first line is {','.join(header)!r}; it should be {','.join(protocol.header)!r}")
    known, missing = set(labels), set(videos)
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise ValueError(f"{what}: line {number} has {len(line)} columns; the header has {len(header)}")
        if line[0] not in missing:
            raise ValueError(f"{what}: line {number} is about {line[0]!r}, which is no probe or was there before")
        if unknown := [label for label in line[1:] if label not in known]:
            raise ValueError(f"{what}: line {number} has the label {unknown[0]!r}, which nobody of the gallery has")
        missing.remove(line[0])
    if missing:
        raise ValueError(f"{what}: {len(missing)} probes lack a line, e.g. {min(missing)!r}")
