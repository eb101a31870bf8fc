"""A walk's numbers depend on its place in the global batch, and on nothing else of how the batch is divided."""

import pytest
import torch

from gaitlab.rng import Rng


def drawn(rng: Rng) -> dict[str, torch.Tensor]:
    return {
        "uniform": rng.uniform("a", 3),
        "integers": rng.integers("b", 1, 6),
        "normal": rng.normal("c", 5, 7),
        "double": rng.normal("d", 40, dtype=torch.float64),
    }


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_and_parts_draw_their_share(world: int) -> None:
    whole = drawn(Rng(3, 41_000, range(8)))
    for rank in range(world):
        for name, share in drawn(Rng(3, 41_000, range(rank, 8, world))).items():
            assert torch.equal(share, whole[name][rank::world]), name
    for name, part in drawn(Rng(3, 41_000, range(8)).part(2, 5)).items():
        assert torch.equal(part, whole[name][2:5]), name


def test_seed_step_name_and_place_each_make_other_numbers() -> None:
    base = Rng(0, 0, range(64)).normal("noise", 16)
    others = [Rng(1, 0, range(64)).normal("noise", 16), Rng(0, 1, range(64)).normal("noise", 16), Rng(0, 0, range(64)).normal("level", 16)]
    assert all((other != base).all() for other in others)
    assert len({float(x) for x in base[:, 0]}) == 64
    assert torch.equal(base, Rng(0, 0, range(64)).normal("noise", 16)), "the same draw is the same"


def test_distributions() -> None:
    rng = Rng(5, 7, range(20_000))
    die, uniform = rng.integers("die", 1, 6), rng.uniform("share")
    assert sorted(set(die.tolist())) == [1, 2, 3, 4, 5, 6]
    assert (torch.bincount(die)[1:] / len(die)).sub(1 / 6).abs().max() < 0.01
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.01)
    normal = Rng(5, 7, range(100)).normal("noise", 1000)
    assert normal.mean().item() == pytest.approx(0, abs=0.02)
    assert normal.var().item() == pytest.approx(1, abs=0.02)


def test_no_walks() -> None:
    rng = Rng(0, 0, range(0))
    assert rng.normal("a", 3).shape == (0, 3)
    assert rng.uniform("a").shape == (0,)
