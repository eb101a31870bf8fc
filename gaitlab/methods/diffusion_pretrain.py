"""Diffusion pretraining of a backbone, without labels ("Diffusion Pretraining for Gait Recognition in the Wild", OpenReview r4GxmIBDbO,
ICLR 2025 submission).

Two clips are drawn of a walk. Of one the backbone makes a feature; the other, as latents of a frozen autoencoder, is noised, and a denoiser
that is told the feature predicts the noise. What helps it, whoever walks there, is what the backbone learns. At test time there is neither
denoiser nor autoencoder: a recogniser takes the backbone over (`experiment.Transfer`). What the article leaves open is named "our
default" below.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.diffusion.process import Target, parts_of, q_sample, target_of, without_condition
from gaitlab.diffusion.samplers import guided, sample
from gaitlab.diffusion.schedules import SCHEDULES, Schedule
from gaitlab.diffusion.spacetime import SpaceTimeUNet
from gaitlab.diffusion.weighting import Weighting, weights
from gaitlab.method import Method, MethodConfig
from gaitlab.methods.autoencoder import check_sides
from gaitlab.nn.frozen import Frozen
from gaitlab.nn.precise import at_least_float32
from gaitlab.rng import Rng
from gaitlab.types import AnyLook, Augment, Batch, ClipSpec, Look, Losses, Numbers
from gaitlab.within import Count, Positive, Share, Within

Pooling = Literal["mean", "max", "mean+max"]
POOLING: Mapping[Pooling, Callable[[Tensor], Tensor]] = {
    "mean": lambda parts: parts.mean(1),
    "max": lambda parts: parts.amax(1),
    "mean+max": lambda parts: parts.mean(1) + parts.amax(1),
}
"""Part features `n p c` -> the condition `n c`."""

AUGMENT = Augment(affine=0.2, perspective=0.2, flip=0.5, dilate=0.2, blur=0.2)
"""Of either clip; probabilities are those of GaitSSB, whose transforms the article names."""
BANDS = 4
"""Of noise levels, for which the error is watched by itself."""


@dataclass(frozen=True, kw_only=True)
class DiffusionPretrainConfig(MethodConfig):
    """The defaults are the article's for Gait3D; a batch is of walks, whoever they are of (`data.draw` walks)."""

    backbone: BackboneConfig = field(default_factory=GaitBaseConfig)
    clip: ClipSpec = field(default_factory=lambda: ClipSpec(augment=AUGMENT))
    """s_g, which the backbone sees."""
    rebuilt: ClipSpec = field(default_factory=lambda: ClipSpec(order="consecutive", width=None, augment=AUGMENT))
    """s_e, which is noised; in the backbone's modality."""
    same_clip: bool = False
    """s_e has the frames and the transforms of s_g: the article's ablation."""
    pooling: Pooling = "mean"
    """Of the parts' features."""
    steps: Annotated[int, Within(1, 100_000)] = 1000
    """T of the noise process."""
    schedule: Schedule = "inverted-cosine"
    weighting: Weighting = "mnp"
    predicts: Target = "noise"
    unconditional: Share = 0.15
    """P_uncond, the share of walks whose feature is replaced by a learnt one."""
    width: Count = 64
    """Of the denoiser's first level; 32, 64 and 128 have 3.7, 11.6 and 40.2 million parameters."""
    multipliers: tuple[Count, ...] = (1, 2, 4)
    """Of its levels' widths."""
    latent_channels: Count = 4
    """Of the autoencoder that is put at `autoencoder`."""
    denoiser_lr: Positive = 1e-4
    """The denoiser learns by AdamW at this rate, the backbone by the experiment's: five times as high in the article."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone.companions:
            raise ValueError(
                f"diffusion pretraining takes a backbone with one input; this one also takes {', '.join(self.backbone.companions)}"
            )
        if not isinstance(self.rebuilt.frames, int):
            raise ValueError(f"DiffusionPretrainConfig.rebuilt.frames is one number, e.g. 30; it is {self.rebuilt.frames}")  # noqa: TRY004
        check_sides(self.rebuilt.width, 8)

    def clips(self) -> dict[str, ClipSpec]:
        rebuilt = replace(self.clip, width=self.rebuilt.width, follows="gait") if self.same_clip else self.rebuilt
        return {"gait": self.clip, "rebuilt": replace(rebuilt, modality=self.clip.modality)}

    def embeds(self) -> tuple[tuple[str, ...], ...]:
        return (("gait",),)

    def channels(self) -> dict[str, int]:
        return dict.fromkeys(self.clips(), self.backbone.in_channels)

    def build(self, subjects: int) -> "DiffusionPretrain":
        return DiffusionPretrain(self)


class DiffusionPretrain(Method):
    """Backbone and denoiser, and a place for the autoencoder, which a transfer fills."""

    distance = "cosine"
    alpha_bar: Tensor
    weight: Tensor

    def __init__(self, config: DiffusionPretrainConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = config.backbone.build()
        self.denoiser = SpaceTimeUNet(config.latent_channels, config.width, config.multipliers, self.backbone.channels)
        self.autoencoder = Frozen(missing="it waits for an autoencoder: let a Transfer of init put one there, with lr_ratio 0")
        left = SCHEDULES[config.schedule](config.steps)
        self.register_buffer("alpha_bar", left.float(), persistent=False)
        self.register_buffer("weight", weights(config.weighting, left, config.predicts).float(), persistent=False)

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        config, kind = self.config, self.config.predicts
        clean = self.latents(batch.clips["rebuilt"])
        condition = without_condition(self.condition(batch), self.denoiser.null, rng.uniform("unconditional"), config.unconditional)
        t, noise = rng.integers("level", 1, config.steps), rng.normal("noise", *clean.shape[1:], dtype=clean.dtype)
        xt = q_sample(clean, t, noise, self.alpha_bar)
        predicted = at_least_float32(self.denoiser(xt, t, condition))
        error = (predicted - target_of(kind, clean, t, noise, self.alpha_bar)).square().flatten(1).mean(1)
        band = (t - 1) * BANDS // config.steps
        watch = {f"error/band_{i + 1}": error.detach()[band == i].mean() for i in range(BANDS)}  # nan where a batch has none
        return Losses({"denoising": (self.weight[t] * error).mean()}, watch)

    def condition(self, batch: Batch) -> Tensor:
        """What the denoiser is told of each walk, `n c`."""
        return at_least_float32(POOLING[self.config.pooling](self._features(batch)))

    def latents(self, clips: Tensor) -> Tensor:
        """Clips `n t c h w` in [0, 1] -> latents `n t c' h' w'`, without gradient. ValueError if the denoiser takes other channels."""
        with torch.no_grad():
            frames = at_least_float32(self.autoencoder.latents(clips.flatten(0, 1)))
        if frames.shape[1] != self.config.latent_channels:
            raise ValueError(f"the autoencoder's latents have {frames.shape[1]} channels: --method.latent-channels {frames.shape[1]}")
        return frames.unflatten(0, clips.shape[:2])

    def pixels(self, latents: Tensor) -> Tensor:
        """The way back: `n t h w` in [0, 1], of the first channel."""
        frames = self.autoencoder.pixels(latents.flatten(0, 1)).float().unflatten(0, latents.shape[:2])
        return frames[:, :, 0].clamp(0, 1)

    def embed(self, batch: Batch) -> Tensor:
        return self._features(batch).float()

    def look(self, batch: Batch, rng: Rng) -> Mapping[str, AnyLook]:
        """Of walks of up to four people, pixels in [0, 1].

        denoised: a clip, and what one prediction makes of it at a quarter, half and three quarters of the noise process.
        samples: clips made from noise for each walk's feature, with three strengths of guidance; also as a film.
        pairs: mean cosine distance of the conditions of two walks of one person and of two people (the article's fig. 3).
        """
        condition = self.condition(batch)
        people = batch.subject.unique()
        unit = F.normalize(condition, dim=1)
        apart = 1 - unit @ unit.T
        same = batch.subject[:, None] == batch.subject[None]
        others = ~torch.eye(len(batch), dtype=torch.bool, device=same.device)
        first = torch.stack([(batch.subject == person).nonzero()[0, 0] for person in people[:4]])
        clean, told = self.latents(batch.clips["rebuilt"][first]), condition[first]
        noise = rng.part(0, len(first)).normal("noise", *clean.shape[1:])
        denoised = {"clip": batch.clips["rebuilt"][first][:, :, 0], "rebuilt": self.pixels(clean)}
        for quarter in (1, 2, 3):
            level = max(1, self.config.steps * quarter // 4)
            t = torch.full((len(first),), level, device=clean.device)
            xt = q_sample(clean, t, noise, self.alpha_bar)
            predicted = self.denoiser(xt, t, told).float()
            denoised[f"level {level}"] = self.pixels(parts_of(self.config.predicts, predicted, xt, t, self.alpha_bar)[0])
        titles = tuple(f"person {person}" for person in people[:4].tolist())
        made = {f"guidance {scale}": self.pixels(self.sample(noise, told, scale)) for scale in (1, 2, 4)}
        samples = Look({"clip": denoised["clip"], **made}, titles)
        return {
            "denoised": Look(denoised, titles, about=f"noise levels of {self.config.steps}"),
            "samples": samples,
            "walking": replace(samples, moving=True),
            "pairs": Numbers({"one_person": float(apart[same & others].mean()), "two_people": float(apart[~same].mean())}),
        }

    def sample(self, noise: Tensor, condition: Tensor, guidance: float = 1.0, visits: int = 25) -> Tensor:
        """Latents like `noise` `n t c h w`, by DDIM in so many visits, for the conditions `n c`."""

        def told(condition: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
            return lambda xt, t: self.denoiser(xt, t, condition).float()

        denoise = guided(told(condition), told(self.denoiser.null.expand_as(condition)), guidance)
        kind, visits = self.config.predicts, min(visits, self.config.steps)
        *_, (_, made, _) = sample(denoise, noise, self.alpha_bar, lambda _: noise, visits=visits, eta=0.0, kind=kind)
        return made

    def param_groups(self) -> Iterable[dict[str, Any]]:
        yield {"params": self.backbone.parameters()}
        yield {"params": [p for p in self.denoiser.parameters() if p.requires_grad], "optimiser": "adamw", "lr": self.config.denoiser_lr}

    def _features(self, batch: Batch) -> Tensor:
        return self.backbone(batch.clips["gait"], batch.lengths["gait"])
