"""Frames of the embedded benchmark a core makes in a second, how that grows with Ray's workers, and bytes on disk.

A frame is a silhouette, a range view and keypoints of one instant, cropped, from eight conditions and six views. The floor: a frame
takes about 2,300 tests of a beam against a capsule (60 operations each, of which 640 become points) and 900 rows of an outline; at one
operation a cycle and 3 GHz that is 50 us, 20,000 frames a second.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from gaitlab.data.ingest import ShardMap, ingest
from gaitlab.walkers.presets import STANDARD
from gaitlab.walkers.sensors.observe import MODALITIES

GOAL = 6000
FEW = replace(STANDARD, train_subjects=0, validation_subjects=0, test_subjects=2)


def walkers() -> Iterator[dict[str, object]]:
    """Rows walkers/frames_per_core_second, .../MODALITY, walkers/ray_scaling and walkers/bytes_per_frame."""
    cv2.setNumThreads(1)
    for modalities in (MODALITIES, *((one,) for one in MODALITIES)):
        name = "frames_per_core_second" + ("" if len(modalities) > 1 else f"/{modalities[0]}")
        row = {"name": f"walkers/{name}", "value": round(frames_per_second(modalities)), "unit": "frames/CPU s"}
        yield row | ({"goal": GOAL} if len(modalities) > 1 else {})
    yield from scaling()
    with TemporaryDirectory() as folder:
        store = ingest(replace(FEW, test_subjects=8), Path(folder) / "shards", progress=False)
        size, facts = sum(path.stat().st_size for path in store.root.iterdir()), store.manifest["modalities"]
        yield {"name": "walkers/bytes_per_frame", "value": round(size / facts["range"]["frames"], 1), "unit": "bytes/frame"}
        for modality in MODALITIES:
            frames, held = facts[modality]["frames"], column_bytes(store.root, modality)
            yield {"name": f"walkers/bytes_per_frame/{modality}", "value": round(held / frames, 1), "unit": "bytes/frame"}


def frames_per_second(modalities: tuple[str, ...], repeats: int = 3) -> float:
    """The best of `repeats` passes over 216 walks."""
    source = replace(FEW, modalities=modalities)
    walks, best = source.walks(), 0.0
    source.load(walks[0])  # compiles
    for repeat in range(repeats):
        again = replace(source, seed=repeat)
        start = time.process_time()
        frames = sum(len(again.load(walk)[modalities[0]]) for walk in walks)
        best = max(best, frames / (time.process_time() - start))
    return best


def scaling(subjects: int = 48, repeats: int = 1) -> Iterator[dict[str, object]]:
    """Seconds to write the same shards with one and with two Ray workers, on a cluster that runs already."""
    import ray

    from gaitlab.cluster.ingest import ray_map

    seconds: dict[int, float] = {}
    for workers in (1, 2):
        ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
        try:
            timed(4, ray_map)
            seconds[workers] = min(timed(subjects, ray_map) for _ in range(repeats))
        finally:
            ray.shutdown()
    yield {"name": "walkers/ray_scaling", "value": round(seconds[1] / seconds[2], 2), "unit": "x", "goal": 1.8, "seconds": seconds}


def timed(subjects: int, run: ShardMap) -> float:
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        ingest(replace(FEW, test_subjects=subjects), Path(folder) / "shards", run=run, subjects_per_shard=2, progress=False)
        return time.perf_counter() - start


def column_bytes(root: Path, column: str) -> int:
    """Compressed bytes of a column in all shards."""
    import pyarrow.parquet as pq

    total = 0
    for path in root.glob("*.parquet"):
        facts = pq.ParquetFile(path).metadata
        for group in range(facts.num_row_groups):
            columns = (facts.row_group(group).column(i) for i in range(facts.num_columns))
            total += sum(c.total_compressed_size for c in columns if c.path_in_schema == column)
    return total
