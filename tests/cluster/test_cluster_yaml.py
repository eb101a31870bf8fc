"""ray_cluster.yaml: Ray's own offline validation, and what it does not look at. No cloud, no credentials."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
VCPUS = {"m6i.xlarge": 4, "c6i.4xlarge": 16, "g6.xlarge": 4}
GPUS = {"g6.xlarge": 1}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    validate_config(prepare_config(copy.deepcopy(config)))


def test_ray_would_have_noticed_a_typo(config: dict[str, Any]) -> None:
    for wrong in ({"idle_timeout": 5}, {"head_node_type": "haed"}, {"max_workers": "many"}):
        with pytest.raises(Exception, match=r"idle_timeout|head_node_type|haed|many"):
            validate_config(prepare_config(copy.deepcopy(config) | wrong))


def test_node_types(config: dict[str, Any]) -> None:
    types = config["available_node_types"]
    head = types[config["head_node_type"]]
    assert head["resources"] == {"CPU": 0, "GPU": 0}, "tasks must not land on the head"
    workers = [value for name, value in types.items() if name != config["head_node_type"]]
    assert {bool(worker["resources"].get("GPU")) for worker in workers} == {True, False}, "CPU and GPU workers"
    for worker in workers:
        assert worker["min_workers"] == 0, "an idle cluster is the head alone"
        assert 0 < worker["max_workers"] <= config["max_workers"]
        kind = worker["node_config"]["InstanceType"]
        assert worker["resources"].get("CPU") == VCPUS[kind]
        assert worker["resources"].get("GPU", 0) == GPUS.get(kind, 0)
    assert head["node_config"]["InstanceType"] in VCPUS
    assert sum(worker["max_workers"] for worker in workers) <= config["max_workers"]


def test_versions_are_those_of_the_lock(config: dict[str, Any]) -> None:
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == ray.__version__
    images = [config["docker"]["image"]]
    images += [value["docker"]["worker_image"] for value in config["available_node_types"].values() if "docker" in value]
    assert all(image.startswith(f"rayproject/ray:{pinned[1]}-py311") for image in images)
    gpu = [value for value in config["available_node_types"].values() if value["resources"].get("GPU")]
    assert all(value["docker"]["worker_image"].endswith("-gpu") for value in gpu)


def test_mounted_files_and_environment(config: dict[str, Any]) -> None:
    for remote, local in config["file_mounts"].items():
        assert remote.startswith("/home/ray/")
        assert local.startswith("~") or (ROOT / local).is_file(), local
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        start = next(command for command in commands if "ray start" in command)
        for variable in ("RAY_AUTH_MODE=token", "GAITLAB_HOME=/mnt/gaitlab", "MLFLOW_TRACKING_URI=http"):
            assert start.index(variable) < start.index("ray start")
    assert any("-v /mnt/gaitlab:/mnt/gaitlab" in option for option in config["docker"]["run_options"])
