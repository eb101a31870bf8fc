"""Every method of the catalogue, made small, on two gloo processes: gradients are those of one process, whatever it draws."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from experiments import ALL
from gaitlab.method import MethodConfig
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.syncnorm import synchronise
from gaitlab.training.loop import step_rng
from gaitlab.types import Batch
from tests.nets.test_catalogue import batch_for, built, small
from tests.processes import Started

WORLD, WALKS = 2, 4


def kinds() -> dict[str, MethodConfig]:
    """Name of an experiment -> its method made small; one experiment for each network."""
    found: dict[Any, tuple[str, MethodConfig]] = {}
    for name, experiment in ALL.items():
        config: Any = small(experiment.method)
        if isinstance(config, SupervisedConfig):
            config = replace(config, margin=10.0)  # every triplet counts
        with torch.device("meta"):
            weights = {key: value.shape for key, value in config.build(4).state_dict().items()}
        found.setdefault((type(config), str(weights)), (name, config))
    return dict(found.values())


def gradients(config: MethodConfig, rank: int, world: int) -> dict[str, torch.Tensor]:
    """Of one step on this rank's share of the batch, in double precision, so that only a mistake can show."""
    torch.manual_seed(0)
    method = built(config, 4).double().train()
    classes = len(config.targets())
    torch.manual_seed(1)
    whole = batch_for(config.clips(), config.channels(), classes, equal=True, n=WALKS)
    share = slice(rank, None, world)
    batch = Batch(
        {role: clip.double()[share] for role, clip in whole.clips.items()},
        {role: lengths[share] for role, lengths in whole.lengths.items()},
        whole.subject[share],
        whole.rows[share],
        None if whole.target is None else whole.target[share],
    )
    module = DistributedDataParallel(synchronise(method)) if world > 1 else method
    module(batch, step_rng(5, 7, range(rank, WALKS, world), torch.device("cpu"))).total().backward()
    return {name: p.grad for name, p in method.named_parameters() if p.grad is not None}


def one_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    try:
        found = {name: gradients(config, rank, WORLD) for name, config in kinds().items()}
        if rank == 0:
            torch.save(found, f"{folder}/gradients.pt")
    finally:
        dist.destroy_process_group()


def test_two_workers_are_one_for_every_method(tmp_path: Path) -> None:
    ranks = [Started(one_rank, rank, str(tmp_path)) for rank in range(WORLD)]
    said = [rank.communicate(300) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * WORLD, said
    two = torch.load(tmp_path / "gradients.pt")
    configs = kinds()
    assert any(isinstance(config, CoD2Config) for config in configs.values())
    assert {type(config) for config in configs.values()} == {type(experiment.method) for experiment in ALL.values()}
    for name, config in configs.items():
        one = gradients(config, 0, 1)
        assert one.keys() == two[name].keys()
        error = max(float((two[name][key] - one[key]).abs().max() / (one[key].abs().max() + 1e-6)) for key in one)
        assert error < 1e-5, f"{name}: {error}"  # float32 inside: angles of CoD2, normalisation of GaitSSB
