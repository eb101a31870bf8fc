"""Seconds and memory from embeddings to a result: 20,000 probes x 6,000 gallery walks of 1,500 people, 16 parts x 64 channels.

Through the public `evaluate`, rank-1 to rank-20, mAP and mINP; `peer` is the reference implementation on two threads of a machine
like this one (distances and ranking, each measured alone). `floor`: the matrix products of the distances, 246 GFLOP, tile by tile
and nothing else, in the same process. Every row has a process of its own, whose peak memory counts PyTorch and the embeddings
(106 MB), too; `cpu` are processor seconds; `first` is the first call. Other load on the machine shows in all of them.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.evaluate import Result, evaluate
from gaitlab.evaluation.protocol import Where
from gaitlab.evaluation.retrieval import distances, top
from gaitlab.evaluation.retrieval_protocol import RetrievalProtocol

PEOPLE, EACH, PROBES, PARTS, CHANNELS = 1_500, 4, 20_000, 16, 64
GALLERY = PEOPLE * EACH
SPREAD = 3.0
"""Standard deviation of a walk about its person, in units of that between people; rank-1 is then about 46."""

PROTOCOL = RetrievalProtocol(
    name="large",
    gallery=Where(role=("gallery",)),
    probes={"probes": Where(role=("probe",))},
    ranks=tuple(range(1, 21)),
)
ROWS: dict[str, dict[str, float]] = {
    "seconds": {"goal": 7.0, "peer": 172.7, "peer_cpu": 184.8},
    "seconds-cosine": {"goal": 7.0},
    "seconds-distances": {"peer": 20.7, "peer_cpu": 34.8},
    "seconds-top20": {},
}
PEAK = {"goal": 1200, "peer": 3115}
ROOT = Path(__file__).parents[2]


def retrieval() -> Iterator[dict[str, object]]:
    """Rows retrieval/seconds, retrieval/peak_rss_mb, the floor, and seconds with the cosine, of distances alone, of the 20 nearest."""
    for name, beside in ROWS.items():
        command = [sys.executable, "-m", "tests.benchmarks.retrieval", name]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        peak = row.pop("peak_rss_mb")
        yield {"name": f"retrieval/{name}", "unit": "s"} | row | beside
        if name == "seconds":
            yield {"name": "retrieval/peak_rss_mb", "value": peak, "unit": "MB"} | PEAK
            yield {"name": "retrieval/seconds-floor", "value": row["floor"], "unit": "s", "cpu": row["floor_cpu"]}


def walks() -> tuple[np.ndarray, pd.DataFrame]:
    """Embeddings float32 `[26000, 16, 64]` and their index; everybody has four gallery walks, and 13 or 14 probes."""
    rng = np.random.default_rng(0)
    person = np.concatenate([np.arange(GALLERY) % PEOPLE, np.arange(PROBES) % PEOPLE])
    x = rng.standard_normal((len(person), PARTS, CHANNELS), np.float32)
    x *= SPREAD
    centre = rng.standard_normal((PEOPLE, PARTS, CHANNELS), np.float32)
    for start in range(0, len(x), 1000):
        x[start : start + 1000] += centre[person[start : start + 1000]]
    names, role = [f"{p:04d}" for p in person], ["gallery"] * GALLERY + ["probe"] * PROBES
    keys = [f"{name}/{i}" for i, name in enumerate(names)]
    frame = pd.DataFrame({"key": keys, "subject": names, "role": role, "view": "000", "split": "test"})
    return x, frame


def work(name: str, x: np.ndarray, index: pd.DataFrame) -> Callable[[], object]:
    """What a row times."""
    gallery, probes = torch.from_numpy(x).split([GALLERY, PROBES])
    if name == "seconds-distances":
        return lambda: distances(probes, gallery, "euclidean")
    if name == "seconds-top20":
        return lambda: top(probes, gallery, 20)
    distance: Distance = "cosine" if name == "seconds-cosine" else "euclidean"
    return lambda: evaluate(x, index, PROTOCOL, distance=distance)


def products(x: np.ndarray, rows: int = 512) -> None:
    """The floor."""
    gallery, probes = torch.from_numpy(x).split([GALLERY, PROBES])
    left, right = probes.transpose(0, 1).contiguous(), gallery.permute(1, 2, 0).contiguous()
    out = torch.empty(rows, GALLERY)
    for start in range(0, PROBES, rows):
        for a, b in zip(left[:, start : start + rows], right, strict=True):
            torch.mm(a, b, out=out[: len(a)])


def timed(call: Callable[[], object], repeats: int) -> tuple[list[float], list[float], object]:
    """Wall and processor seconds of a first call and `repeats` more, and what the last one returned."""
    walls, cpus, result = [], [], None
    for _ in range(repeats + 1):
        result = None
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return walls, cpus, result


def main(name: str, repeats: int = 3, threads: int = 2) -> None:
    """One row as JSON: the best of `repeats` after a first call."""
    torch.set_num_threads(threads)
    x, index = walks()
    walls, cpus, result = timed(work(name, x, index), repeats)
    row: dict[str, object] = {"value": round(min(walls[1:]), 2), "cpu": round(min(cpus[1:]), 2), "first": round(walls[0], 2)}
    row |= {"peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "load": round(os.getloadavg()[0], 1)}
    if isinstance(result, Result):
        row |= {metric: round(float(result.table.loc["probes", metric]), 2) for metric in ("rank-1", "rank-20", "mAP", "mINP")}
    walls, cpus, _ = timed(lambda: products(x), repeats)
    print(json.dumps(row | {"floor": round(min(walls[1:]), 2), "floor_cpu": round(min(cpus[1:]), 2)}))


if __name__ == "__main__":
    main(sys.argv[1])
