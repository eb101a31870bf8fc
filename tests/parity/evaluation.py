"""Evaluation goldens `eval/<protocol>.json` + rows: the tables, curves, AP and INP of the peer, through the public `evaluate`.

Tolerances are absolute (percentage points for tables: the peer rounds cells to two decimals before it averages, so 0.005 is the
most that an unrounded mean differs by); both sides are divided by the golden's largest magnitude for the report.
"""

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gaitlab.data.sources.datasets import Layout, layout
from gaitlab.evaluation.evaluate import Result, evaluate
from gaitlab.evaluation.protocol import Distance, RetrievalProtocol
from gaitlab.evaluation.protocols import CASIA_B, CASIA_B_CROSS, GAIT3D, SUSTECH1K
from gaitlab.evaluation.retrieval import distances
from tests.parity.check import Check, Verdict

CHANNELS, PARTS = 64, 16
ROUNDED = 0.005 + 1e-9
DISTANCES: dict[str, Distance] = {"euc": "euclidean", "cos": "cosine"}
SPELLING = {"Umberalla": "Umbrella"}


def goldens(folder: Path) -> list[Path]:
    """The files that `golden` takes."""
    return [path for path in sorted((folder / "eval").glob("*.json")) if path.stem != "index" and not path.name.endswith(".rows.json")]


def golden(path: Path) -> Verdict:
    """All checks of one evaluation golden."""
    verdict = Verdict(f"eval/{path.stem}")
    if path.stem not in SUPPORTED:
        verdict.todo = "its protocol comes later"
        return verdict
    expected = json.loads(path.read_text())
    with gzip.open(path.with_suffix(".rows.json.gz"), "rt") as file:
        rows = json.load(file)
    x = embeddings(rows)
    names, compare = SUPPORTED[path.stem]
    compare(verdict, expected, index_of(rows, layout(names)), x, path)
    return verdict


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


def index_of(rows: Mapping[str, Any], names: Layout) -> pd.DataFrame:
    """The index that an ingested data set with these labels, types and views would have."""
    probe = rows.get("is_probe", [False] * len(rows["labels"]))
    walks = []
    for subject, kind, view, role in zip(rows["labels"], rows["types"], rows["views"], probe, strict=True):
        known = {"key": f"{subject}/{kind}/{view}", "subject": subject, "split": "test", "role": "probe" if role else ""}
        walks.append(known | {"session": "", "take": ""} | names.parse(kind, view))
    return pd.DataFrame(walks)


# -- one function a protocol -------------------------------------------------------------------------------------------


def casia_b(verdict: Verdict, expected: Mapping[str, Any], index: pd.DataFrame, x: np.ndarray, path: Path) -> None:
    single_view(verdict, expected, index, x, CASIA_B)
    call = expected["cross_view_gallery_euc"]
    result = evaluate(x, index, CASIA_B_CROSS)
    for name, value in call["returned"].items():
        probes, metric = name.split("/")[-1].split("-")
        table_cell(verdict, f"cross {probes} {metric}", result, probes, {"Rank@1": "rank-1", "mAP": "mAP"}[metric], value)
    small = path.parent / "distance_small.npz"
    if small.exists():
        with np.load(small) as held:
            for short, distance in DISTANCES.items():
                ours = distances(torch.from_numpy(x[:40]), torch.from_numpy(x[100:160]), distance).numpy()
                check(verdict, f"distance {short}", ours, held[short], 5e-6)


def sustech1k(verdict: Verdict, expected: Mapping[str, Any], index: pd.DataFrame, x: np.ndarray, path: Path) -> None:
    single_view(verdict, expected, index, x, replace(SUSTECH1K, ranks=(1, 2, 3, 4, 5)))


def single_view(verdict: Verdict, expected: Mapping[str, Any], index: pd.DataFrame, x: np.ndarray, protocol: RetrievalProtocol) -> None:
    """What was returned, every `SET@Rk: x%` that was printed, and the printed rank-1 of each probe view."""
    for short, distance in DISTANCES.items():
        if (call := expected.get(f"single_view_gallery_{short}")) is None:
            continue
        result = evaluate(x, index, replace(protocol, distance=distance))
        for name, value in call["returned"].items():
            probes = SPELLING.get(name.split("/")[-1].removesuffix("@R1"), name.split("/")[-1].removesuffix("@R1"))
            table_cell(verdict, f"{short} {probes} rank-1", result, probes, "rank-1", value)
        log = "\n".join(call["log"])
        for probes, k, value in re.findall(r"(\w+)@R(\d+): ([\d.]+)%", log):
            if f"rank-{k}" in result.table:
                table_cell(verdict, f"{short} {probes} rank-{k}", result, SPELLING.get(probes, probes), f"rank-{k}", value, 2 * ROUNDED)
        for probes, values in re.findall(r"(\w+)@R1: \[([\d. ]+)\]", log):
            matrix = result.matrices[SPELLING.get(probes, probes)].to_numpy()
            others = matrix[~np.eye(len(matrix), dtype=bool)].reshape(len(matrix), -1).mean(1)
            check(verdict, f"{short} {probes} by view", others, np.array(values.split(), float), 2 * ROUNDED)


def gait3d(verdict: Verdict, expected: Mapping[str, Any], index: pd.DataFrame, x: np.ndarray, path: Path) -> None:
    results = {short: evaluate(x, index, replace(GAIT3D, distance=distance)) for short, distance in DISTANCES.items()}
    for short, result in results.items():
        if short in expected:
            for name, value in expected[short]["returned"].items():
                column = name.split("/")[-1].replace("Rank", "rank")
                table_cell(verdict, f"{short} {column}", result, "probes", column, value, 1e-4)
    result, rankings = results["euc"], results["euc"].rankings
    with np.load(path.with_suffix(".npz")) as held:
        probes = np.flatnonzero(held["probe_mask"])
        check(verdict, "probes", rankings["row"], probes, 0.5)
        check(verdict, "cmc", result.cmc / 100, held["cmc"], 1e-6)
        counted = rankings[rankings["mates"] > 0]
        check(verdict, "counted probes", len(counted), held["counted_probes"], 0.5)
        for name in ("ap", "inp"):
            golden_values = held[f"{name}_first200"]
            check(verdict, name, counted[name][: len(golden_values)], golden_values, 1e-6)
        some = torch.from_numpy(x[probes[: len(held["dist_first8"])]])
        rest = torch.from_numpy(x[~held["probe_mask"]])
        check(verdict, "distances", distances(some, rest, "euclidean"), held["dist_first8"], 5e-6)


def table_cell(verdict: Verdict, name: str, result: Result, row: str, column: str, value: float | str, tolerance: float = ROUNDED) -> None:
    check(verdict, name, result.table.loc[row, column], float(value), tolerance)


def check(verdict: Verdict, name: str, ours: Any, theirs: Any, tolerance: float) -> None:
    """Largest difference and the absolute `tolerance`, both relative to the golden's largest magnitude."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    scale = max(float(np.abs(b).max(initial=0)), 1e-12)
    error = float(np.abs(a - b).max(initial=0)) if a.shape == b.shape else float("inf")
    verdict.checks.append(Check(name, error / scale, tolerance / scale))


Comparison = Callable[[Verdict, Mapping[str, Any], pd.DataFrame, np.ndarray, Path], None]

SUPPORTED: dict[str, tuple[str, Comparison]] = {
    "casiab": ("casia-b", casia_b),
    "gait3d": ("gait3d", gait3d),
    "sustech1k": ("sustech1k", sustech1k),
}
"""Golden -> how its data set names walks, and what is compared."""
