"""Two gloo processes against one: gathered rows, batch norm over all ranks, and the whole method under DDP."""

import tempfile
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.method import Method, MethodConfig
from gaitlab.methods.gaitssb import GaitSSBConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.gather import all_rows
from gaitlab.nn.syncnorm import ExactNorm, synchronise
from gaitlab.rng import Rng
from gaitlab.types import Batch
from tests.processes import Started

BACKBONE = GaitBaseConfig(channels=(4, 6), layers=(1, 1), strides=(1, 2), stem_stride=2, bins=(4,))
CONFIGS: dict[str, MethodConfig] = {
    "bnneck": SupervisedConfig(backbone=BACKBONE, embedding=6, margin=1.0),
    "shared": SupervisedConfig(backbone=BACKBONE, embedding=6, margin=1.0, neck="shared", triplet_on="normalised"),
    "gaitssb": GaitSSBConfig(backbone=BACKBONE, hidden=5, embedding=6),
}
SHARED_BY_ALL = ("triplet",)
"""Terms of which every rank computes the whole; of others it computes the mean over its own walks."""
LENGTHS = torch.tensor([3, 1, 2, 2, 1, 3, 3, 1])  # ranks hold unequal numbers of frames: 9 and 7
WORLD = 2


def method(name: str = "bnneck") -> Method:
    torch.manual_seed(0)
    return CONFIGS[name].build(4).double().train()  # so that only a mistake can show, no rounding


def batch(rank: int = 0, world: int = 1) -> Batch:
    clip = torch.rand(8, 3, 1, 32, 22, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    rows = torch.arange(8)[rank::world]
    clips = {"gait": clip[rows], "query": clip[rows], "key": 1 - clip[rows].flip(-1)}
    return Batch(clips, dict.fromkeys(clips, LENGTHS[rows]), torch.arange(4).repeat_interleave(2)[rows], rows)


def one_rank(rank: int, folder: str, name: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    try:
        order = all_rows(torch.arange(8)[rank::WORLD])
        model = synchronise(method(name))
        ddp = DistributedDataParallel(model)
        losses = ddp(batch(rank, WORLD), Rng(0, 0, range(rank, 8, WORLD)))
        losses.total().backward()
        torch.save(
            {
                "order": order,
                "terms": {term: value.detach() for term, value in losses.terms.items()},
                "gradients": {name: parameter.grad for name, parameter in model.named_parameters()},
                "buffers": dict(model.named_buffers()),
            },
            f"{folder}/rank{rank}.pt",
        )
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("name", list(CONFIGS))
def test_two_ranks_are_one_process(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = [Started(one_rank, rank, folder, name) for rank in range(WORLD)]
        said = [process.communicate(120) for process in started]
        assert [process.returncode for process in started] == [0] * WORLD, said
        ranks = [torch.load(Path(folder) / f"rank{rank}.pt") for rank in range(WORLD)]
    one = method(name)
    losses = one(batch(), Rng(0, 0, range(8)))
    losses.total().backward()
    for rank in ranks:
        assert rank["order"].tolist() == list(range(8))
        for key, parameter in one.named_parameters():
            torch.testing.assert_close(rank["gradients"][key], parameter.grad, rtol=1e-6, atol=1e-9)
        for key, value in one.named_buffers():
            torch.testing.assert_close(rank["buffers"][key], value)
    for term, value in losses.terms.items():
        mine, other = (rank["terms"][term] for rank in ranks)
        torch.testing.assert_close(mine if term in SHARED_BY_ALL else (mine + other) / 2, value.detach())
        assert torch.equal(mine, other) is (term in SHARED_BY_ALL)


def test_synchronise_keeps_names_and_values() -> None:
    plain, synced = method(), method()
    synchronise(synced)
    assert list(plain.state_dict()) == list(synced.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), synced.state_dict().values(), strict=True))
    norms = [module for module in synced.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(norm, ExactNorm) and norm.synced for norm in norms)
    torch.testing.assert_close(synced(batch(), Rng(0, 0, range(8))).total(), plain(batch(), Rng(0, 0, range(8))).total())
