"""Frames as a few numbers and back: TAESD (Bohan, "Tiny AutoEncoder for Stable Diffusion", 2023), the space that diffusion works in.

The network is the AutoencoderTiny of diffusers. The published weights, for pictures in colour, become a run by
`pipelines/autoencoder.py import`; where they cannot be had, a narrow one learns silhouettes in minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gaitlab.losses.overlap import overlap
from gaitlab.method import Method, MethodConfig
from gaitlab.nn.frames import pack, sizes_of, temporal_mean
from gaitlab.nn.gather import all_rows
from gaitlab.nn.precise import at_least_float32
from gaitlab.rng import Rng
from gaitlab.types import Batch, ClipSpec, Look, Losses
from gaitlab.within import Count, Natural, Weight


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(MethodConfig):
    """The defaults are TAESD's, 1.2 million parameters on either side; sides shrink by 2 from one entry of the blocks to the next."""

    clip: ClipSpec = field(default_factory=lambda: ClipSpec(frames=4, width=None))
    in_channels: Count = 1
    """Channels of a clip's frames."""
    repeat: Count = 3
    """Times that they are given to the network; the published weights take three colours."""
    latent_channels: Count = 4
    width: Count = 64
    """Channels of every layer."""
    encoder_blocks: tuple[Natural, ...] = (1, 3, 3, 3)
    """Blocks at each size, from pixels to latents."""
    decoder_blocks: tuple[Natural, ...] = (3, 3, 3, 1)
    """The same on the way back."""
    spread_weight: Weight = 0.01
    """Of what keeps each channel of the latents at mean 0 and variance 1 over a batch; our default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.encoder_blocks) != len(self.decoder_blocks):
            raise ValueError(f"encoder_blocks and decoder_blocks name as many sizes: {self.encoder_blocks}, {self.decoder_blocks}")
        if not isinstance(self.clip.frames, int):
            raise ValueError(f"AutoencoderConfig.clip.frames is one number, e.g. 4; it is {self.clip.frames}")  # noqa: TRY004
        check_sides(self.clip.width, self.shrinks)

    @property
    def shrinks(self) -> int:
        """Pixels on a side of what becomes one latent."""
        return 1 << (len(self.encoder_blocks) - 1)

    def clips(self) -> dict[str, ClipSpec]:
        return {"gait": self.clip}

    def channels(self) -> dict[str, int]:
        return {"gait": self.in_channels}

    def build(self, subjects: int) -> "Autoencoder":
        return Autoencoder(self)


def check_sides(side: int | None, multiple: int) -> None:
    """ValueError unless the side of frames is a multiple of so many pixels; None is a side that is not cut."""
    if side is not None and side % multiple:
        raise ValueError(f"frames that are {side} pixels wide do not become latents, which stand for {multiple} each; width None, or 64")


class Autoencoder(Method):
    """Embeds a walk as its mean latents, which makes it a gait energy image of a sort."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        from diffusers import AutoencoderTiny  # seconds, which only this method's runs pay

        self.config = config
        colours = config.in_channels * config.repeat
        self.network: Any = AutoencoderTiny(
            in_channels=colours,
            out_channels=colours,
            encoder_block_out_channels=(config.width,) * len(config.encoder_blocks),
            decoder_block_out_channels=(config.width,) * len(config.decoder_blocks),
            num_encoder_blocks=config.encoder_blocks,
            num_decoder_blocks=config.decoder_blocks,
            latent_channels=config.latent_channels,
        )

    def latents(self, frames: Tensor) -> Tensor:
        """Frames `f c h w` in [0, 1] -> latents `f latent_channels h/8 w/8`. ValueError for sides that are no multiple of 8."""
        for side in frames.shape[2:]:
            check_sides(side, self.config.shrinks)
        return self.network.encode(2 * frames.repeat(1, self.config.repeat, 1, 1) - 1).latents

    def pixels(self, latents: Tensor) -> Tensor:
        """The way back, about in [0, 1]."""
        colours = (self.network.decode(latents).sample + 1) / 2
        return colours.unflatten(1, (self.config.repeat, -1)).mean(1)

    def losses(self, batch: Batch, rng: Rng) -> Losses:
        frames = batch.clips["gait"].flatten(0, 1)
        latents = self.latents(frames)
        rebuilt = self.pixels(latents)
        variance, mean = torch.var_mean(all_rows(at_least_float32(latents)), (0, 2, 3), unbiased=False)
        spread = (mean.square() + variance.clamp(min=1e-6).log().square()).mean()
        terms = {"rebuilt": (at_least_float32(rebuilt) - frames).square().mean(), "spread": self.config.spread_weight * spread}
        return Losses(terms, {"overlap": overlap(rebuilt.detach() > 0.5, frames > 0.5)})

    def embed(self, batch: Batch) -> Tensor:
        """`n p d`: of every place the mean latent."""
        sizes = sizes_of(batch.clips["gait"], batch.lengths["gait"])
        latents = self.latents(pack(batch.clips["gait"], sizes)).float()
        return temporal_mean(latents, sizes).flatten(2).transpose(1, 2)

    def look(self, batch: Batch, rng: Rng) -> Mapping[str, Look]:
        """strips: frames of eight walks, and what comes back of them."""
        clips = batch.clips["gait"][:8]
        rebuilt = self.pixels(self.latents(clips.flatten(0, 1))).float().unflatten(0, clips.shape[:2])
        rows = {"frame": clips[:, :, 0], "rebuilt": rebuilt[:, :, 0].clamp(0, 1)}
        share = float(overlap(rebuilt > 0.5, clips > 0.5))
        return {"strips": Look(rows, tuple(f"person {person}" for person in batch.subject[:8].tolist()), about=f"overlap {share:.3f}")}
