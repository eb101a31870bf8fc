"""Two gloo workers are one process: the same draws, the same gradients, the same trained weights."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.config import override
from gaitlab.data.feed import Feed
from gaitlab.data.shards import open_data
from gaitlab.data.store import Store
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.batches import make_feed
from gaitlab.training.loop import step_rng, train
from gaitlab.training.run import LocalRun, TorchrunRun, under_torchrun
from tests.conftest import TINY
from tests.processes import Started
from tests.training.tiny import experiment


def work(out: Path, changes: dict[str, object], backbone: str) -> None:
    """One rank."""
    changes = {"train.steps": 3, "method.clip.frames": (3, 6), "optim.lr": 0.01} | changes
    tiny = override(experiment(TINY), changes)
    if backbone == "gaitset":
        tiny = replace(tiny, method=replace(tiny.method, backbone=GaitSetConfig(channels=(4, 4, 8))))  # type: ignore[call-arg]
    torch.use_deterministic_algorithms(True)
    run = TorchrunRun(lambda: out / "run") if under_torchrun() else LocalRun(lambda: out / "run")
    store = open_data(tiny.data)
    feed = make_feed(tiny, store, run)
    torch.manual_seed(0)
    method = tiny.method.build(len(feed.subjects))
    module = run.wrap(method.double())  # in float32 the order of sums alone costs more than 1e-6
    batch = feed.batch(0, run.device)
    batch = replace(batch, clips={"gait": batch.clips["gait"].double()})
    module(batch, step_rng(0, 0, range(run.rank, tiny.batch_size, run.world), run.device)).total().backward()
    gradients = {name: p.grad.clone() for name, p in method.named_parameters()}
    torch.manual_seed(0)
    method = tiny.method.build(len(feed.subjects))
    trained = train(tiny, method, feed, run, NoTracker(), data_hash=store.hash)
    seen = {"rows": batch.rows, "clips": batch.clips["gait"], "gradients": gradients, "weights": trained.state_dict()}
    torch.save(seen, out / f"{run.rank}.pt")


def outcome(folder: Path, world: int, changes: dict[str, object], backbone: str) -> list[dict]:
    """What every rank saved."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(world):
        env = {"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        if world > 1:
            env |= {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
        processes.append(Started(work, folder, changes, backbone, env=env))
    said = [p.communicate(120) for p in processes]
    assert [p.returncode for p in processes] == [0] * world, said
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


@pytest.mark.parametrize(
    ("backbone", "changes"),
    [("gaitset", {}), ("gaitset", {"train.accumulate": 2, "method.clip.frames": 4}), ("gaitbase", {})],
    ids=["gaitset", "gaitset-accumulated", "gaitbase"],
)
def test_two_workers_are_one_process(tiny_store: Store, tmp_path: Path, backbone: str, changes: dict[str, object]) -> None:
    (one,) = outcome(tmp_path / "one", 1, changes, backbone)
    two = outcome(tmp_path / "two", 2, changes, backbone)
    assert torch.equal(torch.stack([two[0]["rows"], two[1]["rows"]], 1).flatten(), one["rows"])
    for rank in (0, 1):
        mine, whole = two[rank]["clips"], one["clips"][rank::2]
        assert torch.equal(mine, whole[:, : mine.shape[1]])
    for name, gradient in one["gradients"].items():
        for rank in (0, 1):
            error = float((two[rank]["gradients"][name] - gradient).abs().max())
            assert error <= 1e-6, f"{name}: {error}"
    learnt = [name for name, weight in one["weights"].items() if weight.is_floating_point() and "running" not in name]
    for name in learnt:
        assert torch.equal(two[0]["weights"][name], two[1]["weights"][name]), f"ranks disagree in {name}"
    after, alone = (torch.cat([of["weights"][name].flatten() for name in learnt]) for of in (two[0], one))
    assert float((after - alone).norm() / alone.norm()) < 0.02  # float32, several steps: rounding grows from step to step


def test_draws_do_not_depend_on_the_number_of_workers(tiny_store: Store) -> None:
    tiny = experiment(TINY)
    options = {"p": 4, "k": 2, "seed": 5}
    cpu = torch.device("cpu")
    whole = Feed(tiny_store, tiny.method.clips(), **options).batch(7, cpu)
    for world in (2, 4, 8):
        for rank in range(world):
            share = Feed(tiny_store, tiny.method.clips(), **options, rank=rank, world=world).batch(7, cpu)
            assert torch.equal(share.rows, whole.rows[rank::world])
            assert torch.equal(share.clips["gait"], whole.clips["gait"][rank::world])
