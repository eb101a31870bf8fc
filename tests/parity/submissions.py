"""Files for the servers of GREW and HID against the peer's, and re-ranked distances."""

import csv
import io
from dataclasses import replace

import numpy as np
import torch

from gaitlab.evaluation.protocols import GREW_SUBMISSION, HID, HID_RERANKED
from gaitlab.evaluation.rerank import Rerank, reranking
from gaitlab.evaluation.retrieval import distances
from gaitlab.evaluation.submission import SubmissionProtocol, entrants, label_of, submit
from tests.parity.golden import Golden

SWAPS = {"cosine": 1e-6, "euclidean": 4e-6}
"""Distances that may come in either order."""

HALF = 2e-3
"""The peer's re-ranked distances pass through 16 bits."""


def grew_files(golden: Golden) -> None:
    for short, distance, call in golden.by_distance("{}_submission"):
        protocol = replace(GREW_SUBMISSION, distance=distance)
        probes, gallery = sides(golden, protocol)
        file(golden, short, protocol, call["csv"], distances(probes, gallery, distance).numpy(), SWAPS[distance])


def hid(golden: Golden) -> None:
    probes, gallery = sides(golden, HID)
    theirs = golden.array("dist_first8")
    ours = distances(probes[: len(theirs)], torch.cat([probes, gallery]), "euclidean").numpy()
    other = ~np.eye(*theirs.shape, dtype=bool)  # the distance of a walk to itself is rounding
    golden.check("distances", ours[other], theirs[other], 5e-6)
    plain = distances(probes, gallery, "euclidean").numpy()
    file(golden, "plain", HID, golden.call("plain")["csv"], plain, SWAPS["euclidean"])
    final = {}
    for name, how in {"k6": Rerank(k1=6, k2=6, weight=0.3), "k20": Rerank(k1=20, k2=1, weight=0.1)}.items():
        final[name] = reranking(probes, gallery, how)(slice(None)).numpy()
        theirs = golden.array({"k6": "rerank_k6_6_l03_first40", "k20": "rerank_k20_1_l01_first40"}[name])
        golden.check(f"re-ranked {name}", final[name][: len(theirs)], theirs, HALF)
        first = np.take_along_axis(final[name], golden.array(f"top1_{name}")[:, None], 1)[:, 0]
        golden.check(f"first {name}", first, final[name].min(1), HALF)
    file(golden, "re-ranked", HID_RERANKED, golden.call("rerank")["csv"], final["k6"], HALF)


def sides(golden: Golden, protocol: SubmissionProtocol) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of the probes and of the gallery."""
    rows, others = entrants(golden.index, protocol)
    return torch.from_numpy(golden.x[rows]), torch.from_numpy(golden.x[others])


def file(golden: Golden, name: str, protocol: SubmissionProtocol, path: str, apart: np.ndarray, swap: float) -> None:
    """Byte for byte; or with other labels where distances `apart` `[q, g]` of the walks that they stand for differ by `swap` at most."""
    theirs = (golden.path.parent / path).read_bytes().decode()
    ours = submit(golden.x, golden.index, protocol).csv
    golden.same(f"{name} bytes but for labels", skeleton(ours), skeleton(theirs))
    if skeleton(ours) != skeleton(theirs):
        return
    a, b = (list(csv.reader(io.StringIO(text)))[1:] for text in (ours, theirs))
    labels = np.array(label_of(golden.index["subject"].to_numpy()[entrants(golden.index, protocol)[1]], protocol))
    near = np.sort(apart, axis=1)
    off = [0.0]
    for mine, other, row, sorted_row in zip(a, b, apart, near, strict=True):
        if mine != other:
            off.append(float(np.abs(stand_for(other[1:], labels, row) - sorted_row[: len(other) - 1]).max()))
    golden.check(f"{name} labels", 1 + max(off), 1.0, swap)


def stand_for(names: list[str], labels: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Distances of the walks that a line's labels stand for: of each person the nearest, then the next one; inf where none is left."""
    left = {name: iter(np.sort(apart[labels == name])) for name in set(names)}
    return np.array([next(left[name], np.inf) for name in names])


def skeleton(text: str) -> list[tuple[str, int, str]]:
    """Video, number of columns and line end of each line; the header in full."""
    lines = text.splitlines(keepends=True)
    return [(lines[0], 0, ""), *((line.split(",")[0], line.count(","), line[len(line.rstrip("\r\n")) :]) for line in lines[1:])]
