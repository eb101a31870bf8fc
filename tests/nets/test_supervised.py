"""The supervised method: terms, choices of feature, precision, and that it learns."""

import pytest
import torch
from torch.nn import functional as F

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.config import from_dict, to_dict
from gaitlab.losses.triplet import part_triplet
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.types import Batch

SMALL = GaitBaseConfig(channels=(4, 6, 8), layers=(1, 1, 1), strides=(1, 2, 2), stem_stride=2, bins=(8,))
RNG = Rng(0, 0, range(8))


def batch(p: int = 4, k: int = 2, t: int = 3) -> Batch:
    """Subjects differ in the shape they show."""
    g = torch.Generator().manual_seed(1)
    shapes = F.interpolate((torch.rand(p, 1, 8, 6, generator=g) > 0.5).float(), (64, 44))
    clip = (shapes.repeat_interleave(k, 0)[:, None] + 0.3 * torch.rand(p * k, t, 1, 64, 44, generator=g)).clamp(max=1)
    return Batch({"gait": clip}, {"gait": torch.full((p * k,), t)}, torch.arange(p).repeat_interleave(k), torch.arange(p * k))


def test_terms_weights_and_watch() -> None:
    torch.manual_seed(0)
    method = SupervisedConfig(backbone=SMALL, embedding=12, triplet_weight=2.0, identity_weight=0.5).build(4)
    losses = method(batch(), RNG)
    assert set(losses.terms) == {"triplet", "identity"}
    assert set(losses.watch) == {"active_triplets", "distance", "accuracy"}
    assert all(not value.requires_grad for value in losses.watch.values())
    z = method.encode(batch(), RNG)
    assert z.shape == (8, 8, 12)
    torch.testing.assert_close(losses.terms["triplet"], 2 * part_triplet(z, batch().subject, margin=0.2).loss)
    losses.total().backward()
    assert all(parameter.grad is not None for parameter in method.parameters())


def test_triplet_alone_without_a_neck() -> None:
    method = SupervisedConfig(backbone=GaitSetConfig(channels=(2, 3, 4)), neck="none").build(4)
    assert set(method(batch(), RNG).terms) == {"triplet"}
    with pytest.raises(ValueError, match="only with a neck"):
        SupervisedConfig(neck="none", embed_from="normalised")


def test_normalised_features() -> None:
    torch.manual_seed(0)
    method = SupervisedConfig(backbone=SMALL, embedding=12, embed_from="normalised", triplet_on="normalised").build(4).train()
    assert method.neck is not None
    triplet = method(batch(), RNG).terms["triplet"]
    unit = method.neck.normalised(method.encode(batch(), RNG))
    torch.testing.assert_close(triplet, part_triplet(unit, batch().subject).loss)
    embedded = method.eval().embed(batch())
    torch.testing.assert_close(embedded.norm(dim=2), torch.ones(8, 8))


def test_a_walk_as_the_mean_of_its_snippets() -> None:
    torch.manual_seed(0)
    whole = SupervisedConfig(backbone=SMALL, embedding=12).build(4).eval()
    cut = SupervisedConfig(backbone=SMALL, embedding=12, snippet=4).build(4).eval()
    cut.load_state_dict(whole.state_dict())
    clip = batch(2, 1, 9).clips["gait"]

    def of(clip: torch.Tensor, *lengths: int) -> Batch:
        rows = torch.arange(len(lengths))
        return Batch({"gait": clip}, {"gait": torch.tensor(lengths)}, rows, rows)

    embedded = cut.embed(of(clip, 9, 5))
    halves = whole.embed(of(clip[:1, ::2], 5)), whole.embed(of(clip[:1, 1::2], 4))
    torch.testing.assert_close(embedded[:1], (halves[0] + halves[1]) / 2)
    torch.testing.assert_close(embedded[1:], whole.embed(of(clip[1:], 5)))
    with pytest.raises(ValueError, match="snippet is 1 or more"):
        SupervisedConfig(snippet=0)


def test_embedding_is_float32_inside_autocast() -> None:
    method = SupervisedConfig(backbone=SMALL).build(4).eval()
    with torch.no_grad():
        exact = method.embed(batch())
        with torch.autocast("cpu", torch.bfloat16):
            low = method.embed(batch())
    assert low.dtype == torch.float32
    assert (low - exact).abs().max() < 0.05 * exact.abs().max()


def test_config_survives_json() -> None:
    config = SupervisedConfig(backbone=SMALL, embed_from="normalised")
    assert from_dict(to_dict(config), SupervisedConfig) == config


def test_it_learns_four_subjects() -> None:
    torch.manual_seed(0)
    method = SupervisedConfig(backbone=SMALL, embedding=12).build(4).train()
    optimiser = torch.optim.SGD(method.parameters(), lr=0.05, momentum=0.9)
    for _ in range(40):
        losses = method(batch(), RNG)
        optimiser.zero_grad()
        losses.total().backward()
        optimiser.step()
    assert losses.watch["accuracy"] > 0.95
