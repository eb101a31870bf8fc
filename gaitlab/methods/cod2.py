"""CoD2 (Xiong et al., "Gait Recognition via Collaborating Discriminative and Generative Diffusion Models", AAAI 2026, arXiv 2511.06245).

A recogniser D and a denoiser G are trained as one. G predicts the clean frames of a clip, in one step, from some of its frames left
clean (low-level control) and from D's part features (high-level control); the clip that it makes goes back through the same D and is
classified like the real one. At test time there is no G. What the paper's slides leave open is named "our default" below.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.diffusion.process import q_sample
from gaitlab.diffusion.schedules import cosine
from gaitlab.diffusion.unet import GROUPS, UNet
from gaitlab.losses.overlap import overlap
from gaitlab.method import Method, MethodConfig
from gaitlab.methods.supervised import SupervisedConfig
from gaitlab.nn.heads import PartLinear
from gaitlab.nn.syncnorm import statistics_at_rest
from gaitlab.rng import Rng
from gaitlab.types import Batch, ClipSpec, Look, Losses, Modality
from gaitlab.within import Count, PartShare, Positive, Weight, Within


@dataclass(frozen=True, kw_only=True)
class CoD2Config(MethodConfig):
    """D with its losses, G, and how they are coupled; every ablation of the paper is one field."""

    recogniser: SupervisedConfig = field(default_factory=SupervisedConfig)
    """D and its head: trained on real and on generated clips, and all there is at test time."""
    high_level: bool = True
    """D's part features steer G."""
    low_level: bool = True
    """Some frames of a clip stay clean."""
    fusion: Literal["phase", "add"] = "phase"
    """How features enter G's maps: as a phase, or added (the paper's ablation)."""
    lambda_mode: Literal["one", "scalar", "vector"] = "vector"
    """Weight of the sine branch: 1, learnt, or learnt for each channel."""
    norm: Literal["group", "sigmoid", "minmax"] = "group"
    """Of the phase; our default is group norm with a small gain."""
    gain: Weight = 0.02
    """Of that group norm at the start, so that control begins as nearly nothing; our default."""
    clean: Annotated[float, Within(above=0, below=1)] = 0.5
    """Share m / (m + n) of the frames that stay clean; our default. low_level False noises all of them."""
    generated_weight: Weight = 1.0
    """w_g, of the losses on the generated clip; our default."""
    rebuilt_weight: Weight = 1.0
    """w_r, of the squared error of the predicted frames, pixels in [-1, 1]; our default."""
    steps: Annotated[int, Within(1, 100_000)] = 1000
    """T of the noise process; our default."""
    lowest_level: PartShare = 0.0
    """Share of T below which no noise level is drawn; high ones leave G little but the clean frames and the features to go by."""
    bound: Literal["clamp", "tanh"] = "clamp"
    """How predicted frames come into [0, 1] before D sees them: cut off, where no gradient passes, or by tanh(2x), where some does."""
    second_view: Literal["generated", "detached", "noised"] = "generated"
    """What D is trained on besides the real clip: G's clip; the same as mere data, through which D learns nothing of its features; or the
    noised frames themselves, without G. The last two are controls: what they gain, augmentation gains."""
    widths: tuple[Count, ...] = (32, 64, 128)
    """G's channels by level; our default."""
    patch: Count = 1
    """Pixels on a side that G folds into channels; 2 is our reduced preset for CPUs."""
    denoiser_lr: Positive = 1e-4
    """G learns by AdamW at this rate; our default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        frames = self.recogniser.clip.frames
        if not isinstance(frames, int) or self.recogniser.backbone.companions:
            raise ValueError("the generated clip needs one input of a fixed number of frames: recogniser.clip.frames 30, say")
        if self.low_level and not 1 <= round(frames * self.clean) < frames:
            raise ValueError(
                f"of {frames} frames, a share of {self.clean} leaves none clean or none to predict: more frames, or another clean"
            )

    def clips(self) -> dict[str, ClipSpec]:
        return self.recogniser.clips()

    def embeds(self) -> tuple[tuple[str, ...], ...]:
        return self.recogniser.embeds()

    def test_clips(self, modality: Modality | None = None) -> dict[str, ClipSpec]:
        return self.recogniser.test_clips(modality)

    def channels(self) -> dict[str, int]:
        return self.recogniser.channels()

    def contrasts(self) -> bool:
        return self.recogniser.contrasts()

    def recogniser_path(self) -> tuple[str, ...]:
        return ("recogniser", *self.recogniser.recogniser_path())

    def build(self, subjects: int) -> "CoD2":
        return CoD2(self, subjects)


class Control(nn.Module):
    """High-level control of maps `f c h w` by part features `n p c'`: X cos(f) + lambda X sin(f), f = 2 pi Norm(Conv(X * g)).

    g is a linear map of each part's features (S-FC), each part laid over its strip of rows, the same in all columns and frames.
    """

    def __init__(self, strips: int, c_features: int, c_maps: int, config: CoD2Config) -> None:
        super().__init__()
        self.strips, self.fusion, self.norm_kind = strips, config.fusion, config.norm
        self.features = PartLinear(strips, c_features, c_maps)
        for matrix in self.features.weight.data:
            nn.init.xavier_uniform_(matrix)
        if config.fusion == "add":
            return
        self.conv = nn.Conv2d(c_maps, c_maps, 3, padding=1, bias=False)
        if config.norm == "group":
            self.norm = nn.GroupNorm(min(GROUPS, c_maps), c_maps)
            nn.init.constant_(self.norm.weight, config.gain)
        sizes = {"one": 0, "scalar": 1, "vector": c_maps}
        self.weight = nn.Parameter(torch.ones(sizes[config.lambda_mode])) if sizes[config.lambda_mode] else None

    def forward(self, x: Tensor, features: Tensor, frames: int) -> Tensor:
        g = F.adaptive_avg_pool1d(self.features(features[:, : self.strips]).transpose(1, 2), x.shape[2])  # n c h
        g = g.repeat_interleave(frames, 0).unsqueeze(3).to(x.dtype)
        if self.fusion == "add":
            return x + g
        angle = 2 * math.pi * self._normed(self.conv(x * g)).float()  # eight bits are too few for a phase
        weight = 1.0 if self.weight is None else self.weight.view(1, -1, 1, 1)
        return (x * angle.cos() + weight * x * angle.sin()).to(x.dtype)

    def _normed(self, x: Tensor) -> Tensor:
        if self.norm_kind == "group":
            return self.norm(x)
        if self.norm_kind == "sigmoid":
            return x.sigmoid()
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low).clamp(min=1e-6)


class CoD2(Method):
    """D (`recogniser`), G (`denoiser`) and the modules between them (`controls`)."""

    alpha_bar: Tensor

    def __init__(self, config: CoD2Config, subjects: int) -> None:
        super().__init__()
        self.config = config
        self.recogniser = config.recogniser.build(subjects)
        backbone = self.recogniser.backbone
        self.denoiser = None
        places: Sequence[int] = ()
        if config.second_view != "noised":
            self.denoiser = UNet(config.recogniser.backbone.in_channels, config.widths, config.patch)
            places = self.denoiser.places if config.high_level else ()
        self.controls = nn.ModuleList(Control(backbone.bins[0], backbone.channels, width, config) for width in places)
        self.register_buffer("alpha_bar", cosine(config.steps), persistent=False)

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        config, x0 = self.config, batch.clips["gait"]
        features = self.recogniser.features(batch)
        real = self.recogniser.objective(self.recogniser.head(features), batch)
        xt, t, noised = self.noise(x0, rng)
        predicted = xt if self.denoiser is None else self.denoise(xt, t, features).float()
        again = torch.where(noised[:, :, None, None, None], self.pixels(predicted), x0)
        if config.second_view == "detached":
            again = again.detach()
        with statistics_at_rest(self.recogniser):  # batch norm's running statistics are of real walks, as at test time
            second = Batch({**batch.clips, "gait": again}, batch.lengths, batch.subject, batch.rows, batch.target)
            generated = self.recogniser.objective(self.recogniser.encode(second, rng), batch)
        terms = real.terms | {f"generated_{name}": config.generated_weight * term for name, term in generated.terms.items()}
        watch = real.watch | {f"generated_{name}": fact for name, fact in generated.watch.items()}
        if self.denoiser is not None:
            terms["rebuilt"] = config.rebuilt_weight * (predicted - (2 * x0 - 1))[noised].square().mean()
            watch["overlap"] = overlap(predicted.detach()[noised] > 0, x0[noised] > 0.5)
        return Losses(terms, watch)

    def pixels(self, predicted: Tensor) -> Tensor:
        """Frames in about [-1, 1] -> pixels in [0, 1]."""
        return ((2 * predicted).tanh() + 1) / 2 if self.config.bound == "tanh" else ((predicted + 1) / 2).clamp(0, 1)

    def noise(self, x0: Tensor, rng: Rng, level: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Clips `n t c h w` in [0, 1] -> clips in about [-1, 1] whose last (or first, a coin says) frames are noised; the noise level
        int64 `n`, one for a clip, drawn unless `level` is given; which frames are noised, bool `n t`."""
        frames = x0.shape[1]
        first_level = 1 + int(self.config.lowest_level * self.config.steps)
        lowest, highest = (first_level, self.config.steps) if level is None else (level, level)
        t = rng.integers("level", lowest, highest)
        first = rng.uniform("which frames") < 0.5
        noise = rng.normal("noise", *x0.shape[1:], dtype=x0.dtype)
        count = frames - max(1, round(frames * self.config.clean)) if self.config.low_level else frames
        place = torch.arange(frames, device=x0.device)
        noised = torch.where(first[:, None], place < count, place >= frames - count)
        x0 = 2 * x0 - 1
        return torch.where(noised[:, :, None, None, None], q_sample(x0, t, noise, self.alpha_bar), x0), t, noised

    def denoise(self, xt: Tensor, t: Tensor, features: Tensor) -> Tensor:
        """G's prediction of the clean clip, in one step; the features are not detached: both halves learn from it."""
        assert self.denoiser is not None
        if not self.config.high_level:
            return self.denoiser(xt, t)
        return self.denoiser(xt, t, lambda place, maps: self.controls[place](maps, features, xt.shape[1]))

    def embed(self, batch: Batch) -> Tensor:
        return self.recogniser.embed(batch)

    def look(self, batch: Batch, rng: Rng) -> Mapping[str, Look]:
        """At half of the noise process. Pixels in [0, 1], of the first channel, predictions as D sees them.

        strips: of four people's walks the frames that stay clean, those that are noised, the same with noise, and as G predicts them.
        amplification: predicted less true, mean of the noised frames of all walks of a person; where D makes G overdraw who it is.
        """
        if self.denoiser is None:
            return {}
        x0, level = batch.clips["gait"], max(1, self.config.steps // 2)
        xt, t, noised = self.noise(x0, rng, level)
        predicted = self.denoise(xt, t, self.recogniser.features(batch)).float()
        rows = {
            "reference": _frames(x0, ~noised),
            "target": _frames(x0, noised),
            "noised": _frames((xt + 1) / 2, noised),
            "predicted": _frames((predicted + 1) / 2, noised),
        }
        if not self.config.low_level:
            del rows["reference"]
        more = (rows["predicted"] - rows["target"]).mean(1, keepdim=True)
        people = batch.subject.unique().tolist()
        maps = torch.stack([more[batch.subject == person].mean(0) for person in people])
        first = [int((batch.subject == person).nonzero()[0]) for person in people[:4]]
        peak, about = max(float(maps.abs().max()), 1e-6), f"noise level {level} of {self.config.steps}"
        titles = tuple(f"person {person}" for person in people)
        return {
            "strips": Look({label: row[first] for label, row in rows.items()}, titles[:4], about=about),
            "amplification": Look({"predicted - target": maps}, titles, (-peak, peak), about),
        }

    def param_groups(self) -> Iterable[dict[str, Any]]:
        yield from self.recogniser.param_groups()
        made = [*(self.denoiser.parameters() if self.denoiser else ()), *self.controls.parameters()]
        learnt = {"optimiser": "adamw", "lr": self.config.denoiser_lr}
        yield {"params": [p for p in made if p.dim() > 1], **learnt}
        yield {"params": [p for p in made if p.dim() <= 1], "weight_decay": 0.0, **learnt}  # lambda, gains, biases: 0 is no rest for them


def _frames(clips: Tensor, chosen: Tensor) -> Tensor:
    """Pixels in [0, 1] `n t' h w` of the first channel of the chosen frames (bool `n t`, as many in every clip) of `n t c h w`."""
    return clips[:, :, 0][chosen].unflatten(0, (len(clips), -1)).clamp(0, 1)
