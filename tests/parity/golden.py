"""One evaluation golden: its rows as an index and embeddings, its calls, and checks against them.

Tolerances are absolute (percentage points for tables: the peer rounds cells to two decimals before it averages, so 0.005 is the
most that an unrounded mean differs by); both sides are divided by the golden's largest magnitude for the report.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitlab.data.sources.datasets import Layout, layout
from gaitlab.evaluation.embedder import Distance
from tests.parity.check import Check, Verdict

CHANNELS, PARTS = 64, 16
ROUNDED = 0.005 + 1e-9
DISTANCES: dict[str, Distance] = {"euc": "euclidean", "cos": "cosine"}


@dataclass
class Golden:
    """calls: name -> the peer's `returned` and `log`. arrays: those of the .npz. x: float32 `[n, p, d]`, rows of `index`."""

    path: Path
    verdict: Verdict
    calls: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, np.ndarray]
    index: pd.DataFrame
    x: np.ndarray
    used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path, names: str, roles: tuple[str, str] = ("", "probe")) -> "Golden":
        """names: layout of the data set. roles: of the walks that the rows do not mark as probes, and of those that they do."""
        with gzip.open(path.with_suffix(".rows.json.gz"), "rt") as file:
            rows = json.load(file)
        calls = json.loads(path.read_text())
        arrays: dict[str, np.ndarray] = {}
        if path.with_suffix(".npz").exists():
            with np.load(path.with_suffix(".npz")) as held:
                arrays = dict(held)
        x = logits(rows) if rows["kind"] == "logits" else embeddings(rows)
        golden = cls(path, Verdict(f"eval/{path.stem}"), calls, arrays, index_of(rows, layout(names), roles), x)
        theirs = golden.call("input")["sha256"]
        ours = hashlib.sha256(np.ascontiguousarray(x.transpose(0, 2, 1)).tobytes()).hexdigest()
        golden.same("rows and embeddings", ours, theirs)
        return golden

    def call(self, name: str) -> Mapping[str, Any]:
        self.used.add(name)
        return self.calls[name]

    def by_distance(self, name: str = "{}") -> Iterator[tuple[str, Distance, Mapping[str, Any]]]:
        """The calls NAME that are there, with `euc` and `cos` for {}."""
        for short, distance in DISTANCES.items():
            if name.format(short) in self.calls:
                yield short, distance, self.call(name.format(short))

    def array(self, name: str) -> np.ndarray:
        self.used.add(name)
        return self.arrays[name]

    def check(self, name: str, ours: Any, theirs: Any, tolerance: float) -> None:
        """Largest difference and the absolute `tolerance`, both relative to the golden's largest magnitude; NaN equals NaN."""
        a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        if a.shape == b.shape:
            neither = np.isnan(a) & np.isnan(b)
            a, b = np.where(neither, 0, a), np.where(neither, 0, b)
        scale = max(float(np.abs(b).max(initial=0)), 1e-12)
        error = float(np.abs(a - b).max(initial=0)) if a.shape == b.shape else float("inf")
        self.verdict.checks.append(Check(name, error / scale, tolerance / scale))

    def same(self, name: str, ours: Any, theirs: Any) -> None:
        self.verdict.checks.append(Check(name, 0.0 if ours == theirs else float("inf"), 0.5))

    def finish(self) -> Verdict:
        """A call or an array that nothing was compared with is a failure."""
        for name in sorted((self.calls.keys() | self.arrays.keys()) - self.used):
            self.verdict.checks.append(Check(f"{name} is compared", float("inf"), 0.5))
        return self.verdict


Comparison = Callable[[Golden], None]


def numbers(text: str) -> np.ndarray:
    """All numbers in a printed list."""
    return np.array(re.findall(r"nan|-?\d+(?:\.\d*)?", text), float)


# -- the goldens' rows -------------------------------------------------------------------------------------------------


def embeddings(rows: Mapping[str, Any]) -> np.ndarray:
    """float32 `[n, p, d]` by the goldens' rule: cluster centres, key and type offsets, white noise, one generator in that order."""
    rng = np.random.default_rng(rows["seed"])

    def table(values: Sequence[str], weight: float) -> np.ndarray:
        names, position = np.unique(values, return_inverse=True)
        return (weight * rng.standard_normal((len(names), CHANNELS, PARTS)))[position]

    x = table(rows["cluster"], rows["spread"]) + table(rows["offset_key"], 0.15) + table(rows["types"], 0.12)
    x = (x + 0.95 * rng.standard_normal(x.shape)).astype(np.float32)
    return np.ascontiguousarray(x.transpose(0, 2, 1))


def logits(rows: Mapping[str, Any]) -> np.ndarray:
    """float32 `[n, p, classes]`: white noise, and `shift` on the walk's own class."""
    x = np.random.default_rng(rows["seed"]).standard_normal((len(rows["labels"]), len(rows["classes"]), PARTS)).astype(np.float32)
    x[np.arange(len(x)), [rows["classes"].index(kind) for kind in rows["types"]]] += np.float32(rows["shift"])
    return np.ascontiguousarray(x.transpose(0, 2, 1))


def index_of(rows: Mapping[str, Any], names: Layout, roles: tuple[str, str]) -> pd.DataFrame:
    """The index that an ingested data set with these labels, types and views would have."""
    marked = rows.get("is_probe", [False] * len(rows["labels"]))
    walks = []
    for subject, kind, view, probe in zip(rows["labels"], rows["types"], rows["views"], marked, strict=True):
        role = "probe" if subject == names.probe_subject else roles[probe] if "is_probe" in rows else ""
        known = {"key": f"{subject}/{kind}/{view}", "subject": subject, "split": "test", "role": role}
        walks.append(known | {"session": "", "take": "", "view": ""} | names.parse(kind, view))
    return pd.DataFrame(walks)
