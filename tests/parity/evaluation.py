"""Evaluation goldens `eval/<protocol>.json` + rows: all that the peer returned, printed and wrote, through the public functions."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gaitlab.evaluation.classification import ALL, classify
from gaitlab.evaluation.evaluate import evaluate
from gaitlab.evaluation.protocol import select
from gaitlab.evaluation.protocols import (
    CASIA_B,
    CASIA_B_CROSS,
    CASIA_E,
    CCGR_MINI,
    CCPG,
    CCPG_IDENTICAL_VIEWS,
    CCPG_REID,
    FREEGAIT,
    GAIT3D,
    GREW,
    OUMVLP,
    OUMVLP_CROSS,
    REAL_SCENE_1000,
    SCOLIOSIS1K,
    SUSTECH1K,
    TTG_200,
)
from gaitlab.evaluation.result import Result
from gaitlab.evaluation.retrieval import distances
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol
from tests.parity.check import Check, Verdict
from tests.parity.golden import DISTANCES, ROUNDED, Comparison, Golden, numbers
from tests.parity.submissions import grew_files, hid

SPELLING = {"Umberalla": "Umbrella"}
PRINTED = 2 * ROUNDED
"""Of a mean of rounded cells, rounded again."""

TIES = 2e-3
"""Of mAP and mINP where a probe has dozens of mates: of equal float32 distances the mate's is the last here, anyone's there."""


def goldens(folder: Path) -> list[Path]:
    """The files that `golden` takes."""
    return [path for path in sorted((folder / "eval").glob("*.json")) if path.stem != "index" and not path.name.endswith(".rows.json")]


def golden(path: Path) -> Verdict:
    """All checks of one evaluation golden; one of a protocol that is not known here fails."""
    if path.stem not in SUPPORTED:
        return Verdict(f"eval/{path.stem}", [Check("a protocol that is known", float("inf"), 0.5)])
    names, compare = SUPPORTED[path.stem]
    read = Golden.read(path, names, ROLES.get(path.stem, ("", "probe")))
    compare(read)
    return read.finish()


# -- tables of views ---------------------------------------------------------------------------------------------------


def casia_b(golden: Golden) -> None:
    views(golden, CASIA_B, CASIA_B_CROSS)
    small = golden.path.parent / "distance_small.npz"
    if small.exists():
        with np.load(small) as held:
            for short, distance in DISTANCES.items():
                ours = distances(torch.from_numpy(golden.x[:40]), torch.from_numpy(golden.x[100:160]), distance).numpy()
                golden.check(f"distance {short}", ours, held[short], 5e-6)


def views(golden: Golden, single: RetrievalProtocol, cross: RetrievalProtocol | None = None) -> None:
    """Single-view galleries, and the cross-view one where the benchmark has it."""
    for short, distance, call in golden.by_distance("single_view_gallery_{}"):
        single_view(golden, short, call, evaluate(golden.x, golden.index, replace(single, distance=distance)))
    if cross:
        for short, distance, call in golden.by_distance("cross_view_gallery_{}"):
            cross_view(golden, f"cross {short}", call, replace(cross, distance=distance))


def single_view(golden: Golden, short: str, call: Mapping[str, Any], result: Result) -> None:
    """What was returned, every `SET@Rk: x%` that was printed, and the printed rank-1 of each probe view."""
    for name, value in call["returned"].items():
        probes, k = name.split("/")[-1].split("@R")
        cell(golden, f"{short} {probes} rank-{k}", result, probes, f"rank-{k}", value)
    log = "\n".join(call["log"])
    for probes, k, value in re.findall(r"(\w+)@R(\d+): ([\d.]+)%", log):
        cell(golden, f"{short} {probes} rank-{k} printed", result, probes, f"rank-{k}", value, PRINTED)
    printed = re.findall(r"(\w+)@R1: \[([^\]]+)\]", log)
    golden.same(f"{short} sets", {SPELLING.get(probes, probes) for probes, _ in printed}, set(result.matrices))
    for probes, values in printed:
        golden.check(f"{short} {probes} by view", other_views(result, SPELLING.get(probes, probes)), numbers(values), PRINTED)


def other_views(result: Result, probes: str) -> np.ndarray:
    """float64 `[views]`: rank-1 of each probe view, mean over the other gallery views."""
    matrix = result.matrices[probes]
    other = matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy()[None]
    return matrix.where(other).mean(axis=1).to_numpy()


def cross_view(golden: Golden, short: str, call: Mapping[str, Any], protocol: RetrievalProtocol) -> None:
    """What was returned, and rank-1 and mAP of each probe view and their means as they were printed."""
    result, chosen = evaluate(golden.x, golden.index, protocol), select(golden.index, protocol)
    columns = {"Rank@1": "rank-1", "mAP": "mAP"}
    for name, value in call["returned"].items():
        probes, metric = name.split("/")[-1].split("-")
        cell(golden, f"{short} {probes} {metric}", result, probes, columns[metric], value)
    walk = result.rankings.assign(view=golden.index["view"].to_numpy()[result.rankings["row"]])
    walk["Rank@1"], walk["mAP"] = walk["place"].eq(0).where(walk["mates"] > 0, False).astype(float), walk["ap"]
    printed = set()
    for block in call["log"]:
        if not (title := re.search(r"= (Rank@1|mAP)", block)):
            continue
        for probes, values, mean in re.findall(r"(\w+):\s*\[([^\]]+)\], mean: ([\d.]+)%", block):
            of_set = walk[chosen.members[probes]]
            by_view = 100 * of_set.groupby("view")[title[1]].mean()
            golden.check(f"{short} {probes} {title[1]} by view", by_view, numbers(values), PRINTED)
            cell(golden, f"{short} {probes} {title[1]} printed", result, probes, columns[title[1]], mean, PRINTED)
            printed.add((probes, title[1]))
    golden.same(f"{short} sets", printed, {(probes, metric) for probes in protocol.probes for metric in columns})


def ccpg(golden: Golden) -> None:
    """Whole view tables returned; sizes of the sets, re-identification, view pairs with and without identical views printed."""
    for short, distance, call in golden.by_distance():
        pairs, identical, reid = (
            evaluate(golden.x, golden.index, replace(p, distance=distance)) for p in (CCPG, CCPG_IDENTICAL_VIEWS, CCPG_REID)
        )
        for name, table in call["returned"].items():
            probes = name.split("/")[-1]
            golden.check(f"{short} {probes} view pairs", pairs.matrices[probes], table, ROUNDED)
            golden.check(f"{short} {probes} view pairs (identical)", identical.matrices[probes], table, ROUNDED)
        tables = {
            "Rank-1 (Exclude identical-view cases for Person Re-Identification)": (reid, "rank-1"),
            "mAP (Exclude identical-view cases for Person Re-Identification)": (reid, "mAP"),
            "mINP (Exclude identical-view cases for Person Re-Identification)": (reid, "mINP"),
            "Rank-1 (Include identical-view cases)": (identical, "rank-1"),
            "Rank-1 (Exclude identical-view cases)": (pairs, "rank-1"),
        }
        sizes = [[int(n) for n in re.findall(r"length', (\d+)", line)] for line in call["log"] if "gallery length" in line]
        golden.check(f"{short} sizes", reid.table.loc[list(CCPG.probes), ["gallery", "probes"]], sizes, 0.5)
        title, seen = "", set()
        for line in call["log"]:
            title = line.strip("=") if line.startswith("===") else title
            if title in tables:
                result, column = tables[title]
                for probes, value in re.findall(r"(\w+): ([\d.]+)", line):
                    cell(golden, f"{short} {probes} {title}", result, probes, column, value, ROUNDED + 0.0005)
                    seen.add((title, probes))
            elif by_view := re.fullmatch(r"(\w+): \[(.*)\]", line, re.S):
                golden.check(f"{short} {by_view[1]} by view", other_views(pairs, by_view[1]), numbers(by_view[2]), PRINTED)
                seen.add((title, by_view[1]))
        golden.same(f"{short} printed", len(seen), (len(tables) + 1) * len(CCPG.probes))
    exact = evaluate(golden.x, golden.index, CCPG_REID)
    for probes, row in golden.call("reid_style_exact_euc")["returned"].items():
        for name, value in row.items():
            if name in ("probes", "gallery"):
                golden.check(f"re-id {probes} {name}", exact.table.loc[probes, name], value, 0.5)
            else:
                tolerance = 1e-4 if name.startswith("rank") else TIES
                cell(golden, f"re-id {probes} {name}", exact, probes, name.replace("rank", "rank-"), 100 * value, tolerance)


# -- one gallery of all views ------------------------------------------------------------------------------------------


def one_gallery(golden: Golden, protocol: RetrievalProtocol) -> None:
    """Rank-k, mAP and mINP as returned and as printed; probes, CMC, AP, INP and distances."""
    for short, distance, call in golden.by_distance():
        result = evaluate(golden.x, golden.index, replace(protocol, distance=distance))
        printed = dict(re.findall(r"'(scalar/test_accuracy/[\w-]+)': np\.float\d+\(([\d.]+)\)", "\n".join(call["log"])))
        golden.same(f"{short} printed", printed.keys(), call["returned"].keys())
        for name, value in call["returned"].items():
            column = name.split("/")[-1].replace("Rank", "rank")
            cell(golden, f"{short} {column}", result, "probes", column, value, 1e-4)
            cell(golden, f"{short} {column} printed", result, "probes", column, printed[name], 1e-4)
    if not golden.arrays:
        return
    result = evaluate(golden.x, golden.index, protocol)
    rankings, mask = result.rankings, golden.array("probe_mask")
    golden.check("probes", rankings["row"], np.flatnonzero(mask), 0.5)
    golden.check("cmc", result.cmc / 100, golden.array("cmc"), 1e-6)
    counted = rankings[rankings["mates"] > 0]
    golden.check("counted probes", len(counted), golden.array("counted_probes"), 0.5)
    for name in ("ap", "inp"):
        theirs = golden.array(f"{name}_first200")
        golden.check(name, counted[name][: len(theirs)], theirs, 1e-6)
    theirs = golden.array("dist_first8")
    some, rest = torch.from_numpy(golden.x[mask][: len(theirs)]), torch.from_numpy(golden.x[~mask])
    golden.check("distances", distances(some, rest, "euclidean"), theirs, 5e-6)


def real_scene(golden: Golden, protocol: RetrievalProtocol, calls: str = "{}") -> None:
    """Rank-1, 5, 10 and 20, rounded to two decimals by the peer."""
    for short, distance, call in golden.by_distance(calls):
        result = evaluate(golden.x, golden.index, replace(protocol, distance=distance))
        printed = dict(re.findall(r"==(Rank-\d+)==\n([\d.]+)", "\n".join(call["log"])))
        golden.same(f"{short} printed", set(printed), {f"Rank-{k}" for k in protocol.ranks})
        returned = {name.split("/")[-1]: value for name, value in call["returned"].items()}
        for what, values in (("", returned), (" printed", printed)):
            for name, value in values.items():
                cell(golden, f"{short} {name}{what}", result, "probes", name.replace("Rank", "rank"), value)


def grew(golden: Golden) -> None:
    grew_files(golden)
    real_scene(golden, GREW, "local_real_scene_{}")


# -- classes -----------------------------------------------------------------------------------------------------------


def scoliosis(golden: Golden) -> None:
    result, call = classify(golden.x, golden.index, SCOLIOSIS1K), golden.call("metrics")
    for name, value in call["returned"].items():
        column = {"test_f1": "F1"}.get(name.split("/")[1], name.split("/")[1].removeprefix("test_"))
        golden.check(column, result.table.loc[ALL, column], 100 * value, 1e-9)
    printed = re.findall(r"(Accuracy|Precision|Recall|F1)[ \w]*: ([\d.]+)%", "\n".join(call["log"]))
    golden.same("printed", [name for name, _ in printed], ["Accuracy", "Precision", "Recall", "F1"])
    for name, value in printed:
        golden.check(f"{name} printed", result.table.loc[ALL, name if name == "F1" else name.lower()], float(value), ROUNDED)


def cell(golden: Golden, name: str, result: Result, row: str, column: str, value: float | str, tolerance: float = ROUNDED) -> None:
    golden.check(name, result.table.loc[SPELLING.get(row, row), column], float(value), tolerance)


SUPPORTED: dict[str, tuple[str, Comparison]] = {
    "casiab": ("casia-b", casia_b),
    "casiae": ("casia-e", partial(views, single=CASIA_E)),
    "ccgrmini": ("ccgr-mini", partial(one_gallery, protocol=CCGR_MINI)),
    "ccpg": ("ccpg", ccpg),
    "freegait": ("freegait", partial(one_gallery, protocol=FREEGAIT)),
    "gait3d": ("gait3d", partial(one_gallery, protocol=GAIT3D)),
    "grew": ("grew", grew),
    "hid": ("hid", hid),
    "oumvlp": ("oumvlp", partial(views, single=OUMVLP, cross=OUMVLP_CROSS)),
    "realscene1000": ("real-scene-1000", partial(real_scene, protocol=REAL_SCENE_1000)),
    "scoliosis": ("scoliosis1k", scoliosis),
    "sustech1k": ("sustech1k", partial(views, single=replace(SUSTECH1K, ranks=(1, 2, 3, 4, 5)))),
    "ttg200": ("ttg-200", partial(real_scene, protocol=TTG_200)),
}
"""Golden -> how its data set names walks, and what is compared."""

ROLES = {"ccgrmini": ("gallery", "")}
"""Golden -> roles of the walks that are not marked and of those that are, where the partition names others than the probes."""
