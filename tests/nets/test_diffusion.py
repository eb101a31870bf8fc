"""Schedules, weights, targets and samplers, against formulas and against a distribution whose score is known."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gaitlab.diffusion.process import Target, parts_of, q_sample, target_of, without_condition
from gaitlab.diffusion.samplers import guided, levels, sample
from gaitlab.diffusion.schedules import SCHEDULES, cosine, inverted_cosine, linear
from gaitlab.diffusion.spacetime import SpaceTimeUNet, bucket
from gaitlab.diffusion.weighting import WEIGHTINGS, snr, weights

LEVELS = torch.tensor([1, 10, 250, 500, 750, 990, 1000])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- schedules and weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES.values())
@pytest.mark.parametrize("steps", [1, 10, 1000])
def test_less_and_less_of_the_signal_is_left(schedule: Callable[[int], Tensor], steps: int) -> None:
    left = schedule(steps)
    assert len(left) == steps + 1
    assert left[0] == 1
    assert (left[1:] < left[:-1]).all()
    assert left[-1] > 0
    with pytest.raises(ValueError, match="at least one step"):
        schedule(0)


def test_schedules_are_their_formulas() -> None:
    turn = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
    inverted = [2 * 1.008 / math.pi * math.acos(math.sqrt(t / 1000)) - 0.008 for t in range(1001)]
    for t in (1, 10, 250, 500, 750, 990):  # the last is clipped
        assert cosine(1000)[t].item() == pytest.approx(turn[t] / turn[0])
        assert inverted_cosine(1000)[t].item() == pytest.approx(inverted[t] / inverted[0])
        betas = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(t)]
        assert linear(1000)[t].item() == pytest.approx(math.prod(1 - beta for beta in betas))
    assert inverted_cosine(1000)[1].item() == pytest.approx(0.980, abs=5e-4)  # even the lowest level is visibly noisy
    middle = {name: ((left[1:] > 0.1) & (left[1:] < 0.9)).double().mean().item() for name, left in of_all(1000).items()}
    assert middle["cosine"] == pytest.approx(0.595, abs=5e-4)
    assert middle["inverted-cosine"] == pytest.approx(0.947, abs=5e-4)


def of_all(steps: int) -> dict[str, Tensor]:
    return {name: schedule(steps) for name, schedule in SCHEDULES.items()}


def test_weights() -> None:
    left = inverted_cosine(1000)
    ratio = snr(left)[LEVELS]
    uniform, low, both = (weights(kind, left)[LEVELS] for kind in ("uniform", "min-snr", "mnp"))
    assert (uniform == 1).all()
    torch.testing.assert_close(low, torch.minimum(ratio, torch.tensor(5.0)) / ratio)
    torch.testing.assert_close(both, torch.stack([torch.ones(7), 5 / ratio, 5 * ratio]).amin(0).double())
    assert [round(float(w), 2) for w in both[torch.tensor([0, 1, 3, 5])]] == [0.10, 0.34, 1.0, 0.30]
    assert weights("mnp", left)[1:].mean().item() == pytest.approx(0.948, abs=5e-4)
    for kind in WEIGHTINGS:
        for schedule in of_all(1000).values():
            assert weights(kind, schedule).max() <= 1
            assert weights(kind, schedule)[0] == 0


# -- the process ---------------------------------------------------------------------------------------------------------


def test_q_sample_has_its_mean_and_variance() -> None:
    left, t = cosine(10), torch.tensor([0, 4, 10])
    x0, noise = torch.full((3, 50_000), 2.0), normal(3, 50_000).float()
    xt = q_sample(x0, t, noise, left)
    torch.testing.assert_close(xt[0], x0[0])
    for i in (1, 2):
        assert xt[i].mean().item() == pytest.approx(2 * math.sqrt(left[t[i]]), abs=0.02)
        assert xt[i].var().item() == pytest.approx(1 - left[t[i]].item(), rel=0.03, abs=1e-3)


@pytest.mark.parametrize("kind", ["noise", "clean", "velocity"])
def test_a_prediction_of_any_kind_is_signal_and_noise(kind: Target) -> None:
    left, t, x0, noise = cosine(1000), LEVELS[:-1], normal(6, 2, 3), normal(6, 2, 3, seed=1)
    xt = q_sample(x0, t, noise, left)
    answer = target_of(kind, x0, t, noise, left)
    for found, true in zip(parts_of(kind, answer, xt, t, left), (x0, noise), strict=True):
        torch.testing.assert_close(found, true)
    wrong = answer + 0.1 * normal(6, 2, 3, seed=2)  # the same error, weighed as an error of the noise
    of_noise = weights("mnp", left)[t] * (parts_of(kind, wrong, xt, t, left)[1] - noise).square().mean((1, 2))
    torch.testing.assert_close(weights("mnp", left, kind)[t] * (wrong - answer).square().mean((1, 2)), of_noise)


def test_conditions_are_dropped_by_their_draws() -> None:
    condition, null, drawn = torch.ones(4, 3), torch.full((3,), 7.0), torch.tensor([0.0, 0.149, 0.15, 0.9])
    assert without_condition(condition, null, drawn, 0.15)[:, 0].tolist() == [7, 7, 1, 1]
    assert torch.equal(without_condition(condition, null, drawn, 0.0), condition)
    assert (without_condition(condition, null, drawn, 1.0) == 7).all()


# -- samplers ------------------------------------------------------------------------------------------------------------

MEANS, SPREAD = torch.tensor([-1.5, 1.0], dtype=torch.float64), 0.3


def best_noise(xt: Tensor, t: Tensor, left: Tensor) -> Tensor:
    """E[noise | x_t] where x0 is one of two equally likely Gaussians: what the best network would predict."""
    a = left[t][:, None]
    variance = a * SPREAD**2 + 1 - a
    off = xt - a.sqrt() * MEANS
    belongs = torch.softmax(-(off**2) / (2 * variance), 1)
    return ((1 - a).sqrt() * off / variance * belongs).sum(1, keepdim=True)


@pytest.mark.parametrize(("eta", "visits"), [(1.0, 1000), (0.0, 1000), (0.0, 50)])
def test_samples_are_of_the_distribution(eta: float, visits: int) -> None:
    left = cosine(1000)
    walk = sample(
        lambda xt, t: best_noise(xt, t, left), normal(4000, 1), left, lambda level: normal(4000, 1, seed=level), eta=eta, visits=visits
    )
    *_, (level, x0, predicted) = walk
    assert level == 0
    assert x0.mean().item() == pytest.approx(MEANS.mean().item(), abs=0.06)
    upper = x0[x0 > -0.25]
    assert len(upper) / len(x0) == pytest.approx(0.5, abs=0.03)
    assert upper.mean().item() == pytest.approx(1.0, abs=0.02)
    assert upper.std().item() == pytest.approx(SPREAD, abs=0.03)
    torch.testing.assert_close(predicted, x0)


def test_a_step_back_is_the_posterior() -> None:
    """DDPM, eq. 7; without its noise a DDIM step of as many levels leads to the same mean of all samples."""
    left, xt = cosine(1000), normal(5, 1)
    beta = 1 - left[500] / left[499]
    eps = best_noise(xt, torch.full((5,), 500), left)
    x0 = (xt - (1 - left[500]).sqrt() * eps) / left[500].sqrt()
    mean = (left[499].sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - left[499]) * xt) / (1 - left[500])
    one = torch.ones(5, 1, dtype=torch.float64)

    def step(noise: Tensor) -> Tensor:
        return next(sample(lambda x, t: best_noise(x, t, left), xt, left, lambda _: noise, start=500))[1]

    torch.testing.assert_close(step(0 * one), mean)
    torch.testing.assert_close(step(one) - mean, ((1 - left[499]) / (1 - left[500]) * beta).sqrt() * one)


def test_guidance() -> None:
    xt, t = normal(2, 3), torch.tensor([3, 3])
    assert torch.equal(guided(lambda x, t: x, lambda x, t: 0 * x, 1.0)(xt, t), xt)
    assert torch.equal(guided(lambda x, t: x, lambda x, t: 0 * x, 2.5)(xt, t), 2.5 * xt)


def test_levels_on_the_way() -> None:
    assert levels(1000, 1) == [1000]
    assert levels(1000, 2) == [1000, 1]
    assert levels(5, 5) == [5, 4, 3, 2, 1]
    with pytest.raises(ValueError, match="in 1 to 5; not 6"):
        levels(5, 6)


# -- the space-time network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "parameters"), [(32, 3_655_316), (64, 11_576_084), (128, 40_215_572)])
def test_the_space_time_network_is_as_large_as_published(width: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in SpaceTimeUNet(width=width).parameters()) == parameters


def test_what_the_space_time_network_sees() -> None:
    torch.manual_seed(0)
    network = SpaceTimeUNet(width=8, multipliers=(1, 2), condition=5).double()
    clips, t, condition = normal(2, 6, 4, 4, 4), torch.tensor([3, 900]), normal(2, 5)
    out = network(clips, t, condition)
    assert out.shape == clips.shape
    torch.testing.assert_close(network(clips[1:], t[1:], condition[1:]), out[1:])  # a clip alone
    for changed in ((clips.roll(1, 0), t, condition), (clips, t + 1, condition), (clips, t, condition + 1), (clips.flip(1), t, condition)):
        assert (network(*changed) - out).abs().amax((1, 2, 3, 4)).min() > 1e-4
    last = clips.clone()
    last[:, 5] += 1
    assert (network(last, t, condition) - out)[:, 0].abs().max() > 1e-4  # the first frame sees the last
    with pytest.raises(ValueError, match="1 halvings do not divide maps of 4 x 3"):
        network(clips[..., :3], t, condition)


def test_classes_of_distances_between_frames() -> None:
    assert bucket(torch.tensor([0, 1, 7, 8, 16, 31, 32, 400, -1, -7, -8, -400])).tolist() == [0, 1, 7, 8, 12, 15, 15, 15, 17, 23, 24, 31]
