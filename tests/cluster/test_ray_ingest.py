"""Ray Data writes the very shards that one process writes."""

from pathlib import Path

import pytest
import ray

from gaitlab.cluster.ingest import ray_map
from gaitlab.data.ingest import ingest
from tests.cluster.cluster import Cluster
from tests.data.test_ingest import Noise, contents


@pytest.mark.cluster
def test_ray_writes_the_same_bytes(cluster: Cluster, tmp_path: Path) -> None:
    ray.init(address=cluster.address)
    try:
        ours = ingest(Noise(subjects=4), tmp_path / "ray", run=ray_map, progress=False)
        theirs = ingest(Noise(subjects=4), tmp_path / "serial", progress=False)
        assert contents(ours.root) == contents(theirs.root)
        assert ours.manifest["shards"] == theirs.manifest["shards"]
        with pytest.raises(ValueError, match="raw/00/1, silhouette: the walk is empty"):
            ingest(Noise(bad=(("2", "empty"),)), tmp_path / "bad", run=ray_map, progress=False)
        assert not (tmp_path / "bad").exists()
    finally:
        ray.shutdown()
