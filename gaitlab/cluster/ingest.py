"""Shards computed by Ray Data, on one machine or a cluster. The folder they go to must be on storage that all nodes share."""

import pickle
from collections.abc import Callable, Generator, Sequence
from typing import Any

import ray

from gaitlab.cluster.connect import start_ray
from gaitlab.data.writing import ShardInfo, ShardJob


def ray_map(function: Callable[[ShardJob], ShardInfo], jobs: Sequence[ShardJob]) -> Generator[ShardInfo, None, None]:
    """A `gaitlab.data.ingest.Run`: one Ray Data row, hence one task, per shard; one CPU each."""
    started = not ray.is_initialized()
    start_ray()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False

    def work(row: dict[str, Any]) -> dict[str, Any]:
        return {"info": pickle.dumps(function(pickle.loads(row["job"])))}

    try:
        rows = ray.data.from_items([{"job": pickle.dumps(job)} for job in jobs], override_num_blocks=len(jobs)).map(work)
        for row in rows.iter_rows():
            yield pickle.loads(row["info"])
    finally:
        if started:
            ray.shutdown()
