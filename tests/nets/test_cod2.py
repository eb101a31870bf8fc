"""CoD2: the noise process, the control, what learns from what, and that nothing of G is left at test time."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitgl import GaitGLConfig
from gaitlab.backbones.gaitpart import GaitPartConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.diffusion.unet import UNet
from gaitlab.methods.cod2 import CoD2, CoD2Config, Control
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.rng import Rng
from gaitlab.types import Batch, ClipSpec

BACKBONE = GaitBaseConfig(channels=(8, 8, 12, 12), stem_stride=2, bins=(8,))
CONFIG = CoD2Config(
    recogniser=SupervisedConfig(backbone=BACKBONE, clip=ClipSpec(frames=4, order="ordered"), embedding=8, margin=5.0),
    widths=(8, 16),
    patch=2,
    steps=50,
)


def rng(step: int = 0, n: int = 4) -> Rng:
    return Rng(0, step, range(n))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 4, t: int = 4) -> Batch:
    clip = (torch.rand(n, t, 1, 64, 44, generator=generator(3)) > 0.5).float()
    return Batch({"gait": clip}, {"gait": torch.full((n,), t)}, torch.arange(n) // 2, torch.arange(n))


def built(**changes: Any) -> CoD2:
    torch.manual_seed(0)
    return replace(CONFIG, **changes).build(2)


# -- the process ---------------------------------------------------------------------------------------------------------


def test_noised_frames_are_one_run_at_either_end() -> None:
    model, x0 = built(), batch(64).clips["gait"]
    xt, t, noised = model.noise(x0, rng(n=64))
    assert noised.sum(1).tolist() == [2] * 64
    assert {tuple(row) for row in noised.tolist()} == {(True, True, False, False), (False, False, True, True)}
    assert ((t >= 1) & (t <= 50)).all()
    assert torch.equal(xt[~noised], (2 * x0 - 1)[~noised])
    assert (xt[noised] != (2 * x0 - 1)[noised]).float().mean() > 0.99
    assert model.noise(x0, rng(n=64))[0].equal(xt)
    assert built(low_level=False).noise(x0, rng(n=64))[2].all()


# -- the control ---------------------------------------------------------------------------------------------------------


def test_the_control_by_its_formula() -> None:
    torch.manual_seed(0)
    control = Control(4, 3, 8, CONFIG)
    torch.nn.init.normal_(control.weight)  # type: ignore[arg-type]
    x, features = torch.randn(6, 8, 8, 5), torch.randn(2, 7, 3)  # two clips of three frames; parts beyond the strips are not used
    out = control(x, features, 3)
    g = torch.stack([features[:, p] @ control.features.weight[p] for p in range(4)], 2)  # n c p
    for f in range(6):
        laid = torch.stack([g[f // 3, :, row // 2] for row in range(8)], 1)[:, :, None].expand(8, 8, 5)
        angle = 2 * math.pi * F.group_norm(F.conv2d((x[f] * laid)[None], control.conv.weight, padding=1), 8, control.norm.weight)[0]
        expected = x[f] * angle.cos() + control.weight.view(8, 1, 1) * x[f] * angle.sin()  # type: ignore[union-attr]
        torch.testing.assert_close(out[f], expected, rtol=1e-4, atol=1e-5)


def test_fewer_rows_than_strips_take_the_mean_of_neighbours() -> None:
    control = Control(4, 3, 8, replace(CONFIG, fusion="add"))
    x, features = torch.zeros(1, 8, 2, 3), torch.randn(1, 4, 3)
    g = torch.stack([features[0, p] @ control.features.weight[p] for p in range(4)], 1)
    torch.testing.assert_close(control(x, features, 1)[0, :, :, 0], torch.stack([g[:, :2].mean(1), g[:, 2:].mean(1)], 1))


def test_without_gain_the_control_is_the_identity() -> None:
    control, x = Control(4, 3, 8, replace(CONFIG, gain=0.0)), torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(control(x, torch.randn(2, 4, 3), 1), x)


@pytest.mark.parametrize(("mode", "size"), [("one", 0), ("scalar", 1), ("vector", 8)])
def test_lambda_has_so_many_numbers(mode: Any, size: int) -> None:
    weight = Control(4, 3, 8, replace(CONFIG, lambda_mode=mode)).weight
    assert (0 if weight is None else weight.numel()) == size


@pytest.mark.parametrize("norm", ["group", "sigmoid", "minmax"])
def test_a_norm_of_the_phase(norm: Any) -> None:
    out = Control(4, 3, 8, replace(CONFIG, norm=norm))(torch.randn(2, 8, 4, 4), torch.randn(2, 4, 3), 1)
    assert out.isfinite().all()


# -- what learns from what -----------------------------------------------------------------------------------------------

VARIANTS = {
    "whole": {},
    "high-only": {"low_level": False},
    "low-only": {"high_level": False},
    "addition": {"fusion": "add"},
    "lambda-one": {"lambda_mode": "one"},
    "no-pixels": {"rebuilt_weight": 0.0},
    "full-size": {"patch": 1},
    "smooth": {"bound": "tanh"},
    "detached": {"second_view": "detached"},
    "noised": {"second_view": "noised"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_no_gradient_path_is_dead_at_the_first_step(name: str) -> None:
    model = built(**VARIANTS[name])
    losses = model(batch(), rng())
    losses.total().backward()
    assert losses.total().isfinite()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name
    groups = list(model.param_groups())
    assert sum(len(list(group["params"])) for group in built(**VARIANTS[name]).param_groups()) == len(list(model.parameters()))
    assert groups[-1]["optimiser"] == "adamw"
    resting = {id(p) for group in groups if group.get("weight_decay") == 0 for p in group["params"]}
    drawn_to_0 = {n for n, p in model.named_parameters() if not n.startswith("recogniser") and id(p) not in resting}
    assert all(model.get_parameter(n).dim() > 1 for n in drawn_to_0), "lambda and gains of norms have no weight decay"


def test_d_learns_of_its_features_through_the_generated_clip_alone_unless_it_is_detached() -> None:
    def through_g(**changes: Any) -> float:
        model = built(rebuilt_weight=0.0, recogniser=replace(CONFIG.recogniser, triplet_weight=0.0), **changes)
        model(batch(), rng()).total().backward()
        return sum(float(p.grad.abs().sum()) for p in model.controls.parameters() if p.grad is not None)

    assert through_g() > 0
    assert through_g(second_view="detached") == 0


def test_noised_frames_without_g() -> None:
    model = built(second_view="noised")
    assert model.denoiser is None
    losses = model(batch(), rng())
    assert "rebuilt" not in losses.terms
    assert losses.terms["generated_identity"] != losses.terms["identity"]
    assert model.look(batch(), rng()) == {}


def test_levels_above_the_lowest() -> None:
    levels = torch.cat([built(lowest_level=0.5).noise(batch().clips["gait"], rng(step))[1] for step in range(100)])
    assert (levels.min(), levels.max()) == (26, 50)
    with pytest.raises(ValueError, match="lowest_level"):
        replace(CONFIG, lowest_level=1.0)


def test_pixels_stay_between_0_and_1_and_clean_frames_what_they_are() -> None:
    far = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0], requires_grad=True)
    cut, smooth = built().pixels(far), built(bound="tanh").pixels(far)
    assert cut.tolist() == [0, 0, 0.5, 1, 1]
    assert ((smooth >= 0) & (smooth <= 1)).all()
    assert torch.autograd.grad(smooth.sum(), far)[0].min() > 0


@pytest.mark.parametrize("backbone", [
    GaitSetConfig(channels=(4, 6, 8)), GaitPartConfig(channels=(4, 8, 8), strips=(1, 4, 8), pool_after=(1, 2)),
    GaitGLConfig(stem=(4,), channels=(6, 8, 8)),
])  # fmt: skip
def test_other_backbones_plug_in(backbone: Any) -> None:
    model = built(recogniser=replace(CONFIG.recogniser, backbone=backbone))
    losses = model(batch(), rng())
    losses.total().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_clip_depends_on_whose_features_steer_it() -> None:
    model = built(gain=1.0).eval()
    x0, features = batch().clips["gait"], torch.randn(4, 8, 12)
    xt, t, _ = model.noise(x0, rng())
    with torch.no_grad():
        own, others = model.denoise(xt, t, features), model.denoise(xt, t, features[[1, 0, 3, 2]])
        assert (own - others).abs().max() > 1e-3
        low = built(high_level=False).eval()
        assert torch.equal(low.denoise(xt, t, features), low.denoise(xt, t, features[[1, 0, 3, 2]]))


def test_running_statistics_are_those_of_the_real_walks() -> None:
    model, plain = built().train(), CONFIG.recogniser
    torch.manual_seed(0)
    alone = plain.build(2).train()
    alone.load_state_dict(model.recogniser.state_dict())
    model(batch(), rng())
    alone(batch(), rng())
    for (name, ours), theirs in zip(model.recogniser.named_buffers(), alone.buffers(), strict=True):
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(ours, theirs, msg=name)


def test_at_test_time_it_is_its_recogniser_in_numbers_and_cost() -> None:
    model = built().eval()
    plain = CONFIG.recogniser.build(2).eval()
    plain.load_state_dict(model.recogniser.state_dict())
    found, costs = [], []
    for network in (model, plain):
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            found.append(network.embed(batch()))
        costs.append(counted.get_total_flops())
    assert torch.equal(*found)
    assert costs[0] == costs[1] > 0


def test_g_learns_to_complete_a_clip() -> None:
    """Still figures: the clean half shows what the noised half hides."""
    torch.manual_seed(0)
    model = built(generated_weight=0.0).train()
    optimiser = torch.optim.AdamW([*model.denoiser.parameters(), *model.controls.parameters()], lr=3e-3)
    figure = (F.interpolate(torch.rand(4, 1, 8, 6, generator=generator(1)), size=(64, 44)) > 0.5).float()
    clip = figure[:, None].repeat(1, 4, 1, 1, 1)
    still = Batch({"gait": clip}, batch().lengths, batch().subject, batch().rows)
    overlaps = []
    for step in range(60):
        losses = model(still, rng(step))
        optimiser.zero_grad()
        losses.terms["rebuilt"].backward()
        optimiser.step()
        overlaps.append(float(losses.watch["overlap"]))
    assert sum(overlaps[-5:]) / 5 > max(0.8, overlaps[0] + 0.1)


# -- the U-Net and the config --------------------------------------------------------------------------------------------


def test_odd_maps_and_what_does_not_fit() -> None:
    net = UNet(2, (8, 16, 24), patch=2)
    assert net(torch.rand(2, 3, 2, 64, 44), torch.tensor([1, 50])).shape == (2, 3, 2, 64, 44)  # 11 columns are halved to 5
    assert net.places == (8, 16, 24, 16, 8)
    with pytest.raises(ValueError, match="each a multiple of 8"):
        UNet(1, (8, 12))
    with pytest.raises(ValueError, match="clean is above 0 and below 1"):
        replace(CONFIG, clean=1.0)
    with pytest.raises(ValueError, match=r"of 4 frames, a share of 0\.9 leaves none clean or none to predict"):
        replace(CONFIG, clean=0.9)
    with pytest.raises(ValueError, match="fixed number of frames"):
        replace(CONFIG, recogniser=replace(CONFIG.recogniser, clip=ClipSpec(frames=(4, 6))))


# -- what there is to see ------------------------------------------------------------------------------------------------


def test_a_look_is_the_objective_at_half_of_the_noise() -> None:
    model, walks = built().eval(), batch(6)
    with torch.no_grad():
        seen = model.look(walks, rng(n=6))
        x0, t = walks.clips["gait"], torch.full((6,), 25)
        xt, level, noised = model.noise(x0, rng(n=6), 25)
        predicted = (model.denoise(xt, t, model.recogniser.features(walks)) + 1) / 2
        assert "reference" not in built(low_level=False).eval().look(walks, rng(n=6))["strips"].rows
    assert level.equal(t)
    strips, more = seen["strips"], seen["amplification"]
    assert strips.about == more.about == "noise level 25 of 50"
    assert strips.blocks == more.blocks == ("person 0", "person 1", "person 2")
    assert {label: row.shape for label, row in strips.rows.items()} == dict.fromkeys(strips.rows, (3, 2, 64, 44))
    for block, walk in enumerate((0, 2, 4)):
        torch.testing.assert_close(strips.rows["reference"][block], x0[walk, ~noised[walk], 0])
        torch.testing.assert_close(strips.rows["target"][block], x0[walk, noised[walk], 0])
        torch.testing.assert_close(strips.rows["predicted"][block], predicted[walk, noised[walk], 0].clamp(0, 1))
    (maps,) = more.rows.values()
    for person in range(3):
        of = [predicted[i, f, 0].clamp(0, 1) - x0[i, f, 0] for i in (2 * person, 2 * person + 1) for f in range(4) if noised[i, f]]
        torch.testing.assert_close(maps[person, 0], torch.stack(of).mean(0))
    assert more.span == (-more.span[1], pytest.approx(float(maps.abs().max())))


def test_a_given_noise_level_draws_the_rest_alike() -> None:
    model, x0 = built(), batch(8).clips["gait"]
    assert model.noise(x0, rng(n=8))[2].equal(model.noise(x0, rng(n=8), 7)[2])
