"""The words everything else is written in: modalities, clips, batches, losses, looks.

Axis legend, used in every signature: `n` walks, `t` frames, `c` channels, `h w` pixels, `p` parts, `d` embedding,
`k` training subjects, `f` frames of all walks one after the other (packed). Batches of clips are `n t c h w`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gaitlab.config import Config
from gaitlab.within import Count, Natural, Share

Modality = Literal["silhouette", "range", "skeleton", "depth", "joints", "smpl"]
"""Name of a modality; also the name of its column in a shard. Clips of skeleton maps are drawn from joints where a store has no maps."""

VECTORS: tuple[Modality, ...] = ("smpl",)
"""Modalities whose frames are vectors of numbers, not images; smpl: 3 camera, 72 pose and 10 shape parameters of a body."""

FrameOrder = Literal["consecutive", "ordered", "unordered"]
"""How frames of a clip follow each other: a run, sorted picks from a window, or a set."""


class Losses(NamedTuple):
    """What a method returns: the objective is the sum of `terms` (already weighted); `watch` is only looked at."""

    terms: dict[str, Tensor]
    watch: dict[str, Tensor] = {}  # noqa: RUF012  (never mutated; NamedTuple has no default_factory)

    def total(self) -> Tensor:
        """Scalar objective."""
        return torch.stack([term.float() for term in self.terms.values()]).sum()


@dataclass(frozen=True, kw_only=True)
class Augment(Config):
    """Probabilities of the clip transforms; every transform has one parameter draw for all frames of a clip.

    Sizes are those of the field's reference recipes (Fan et al., OpenGait, CVPR 2023; GaitSSB, T-PAMI 2023): rotation within
    +-10 degrees, corners of the perspective and of the affine map move by up to 10 px at 64 px, erasing takes 5-20 % of the
    area with an aspect of 0.3-3.3, part dilation and blur work between rows 9-20 and 39-50.
    """

    affine: Share = 0.0
    perspective: Share = 0.0
    rotate: Share = 0.0
    flip: Share = 0.0
    erase: Share = 0.0
    dilate: Share = 0.0
    blur: Share = 0.0


@dataclass(frozen=True, kw_only=True)
class ClipSpec(Config):
    """What a method asks of the data layer for one of its named clips.

    frames: a number (fixed), a pair (min, max; drawn per clip), or None for the whole walk.
    order: `ordered` picks sorted frames from a window `frames + skip` long; `consecutive` is a run; `unordered` a set.
    width: columns kept by the centre crop (64 -> 44 for silhouettes); None keeps all.
    limit: longest whole walk, in frames; the rest is cut off.
    follows: role of another clip of the method whose frames and transforms this one shares, None for a draw of its own. Of modalities
    with other rates it shares the moments: the frame nearest in time.
    """

    modality: Modality = "silhouette"
    frames: Count | tuple[Count, Count] | None = 30
    order: FrameOrder = "unordered"
    skip: Natural = 4
    width: Count | None = 44
    limit: Count = 720
    augment: Augment = field(default_factory=Augment)
    follows: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.frames, tuple) and self.frames[0] > self.frames[1]:
            raise ValueError(f"ClipSpec.frames is one number, or the fewest and the most; it is {self.frames[0]} {self.frames[1]}")

    def whole(self) -> "ClipSpec":
        """The same clip at test time: every frame in order, nothing augmented, following no other."""
        return replace(self, frames=None, order="consecutive", augment=Augment(), follows=None)


@dataclass(frozen=True, repr=False)
class Batch:
    """Clips by role, on one device.

    clips: role -> float `n t c h w` in [0, 1] (of vectors `n t d`), zero-padded in time behind each clip's length.
    lengths: role -> int64 `n`, frames of each clip.
    subject: int64 `n`, 0..k-1, or -1 where unlabelled.
    rows: int64 `n`, the walks' row numbers in the store's index.
    target: int64 `n`, which of the method's `targets` the walk's conditions name, -1 where none.
    """

    clips: Mapping[str, Tensor]
    lengths: Mapping[str, Tensor]
    subject: Tensor
    rows: Tensor
    target: Tensor | None = None

    def __repr__(self) -> str:
        clips = [f"{role} {' x '.join(map(str, clip.shape))}" for role, clip in self.clips.items()]
        return f"Batch of {len(self)} walks: {', '.join(clips)}"

    def __len__(self) -> int:
        return len(self.subject)

    def part(self, start: int, stop: int) -> "Batch":
        """Walks start..stop-1."""
        span = slice(start, stop)
        return Batch(
            {role: clip[span] for role, clip in self.clips.items()},
            {role: length[span] for role, length in self.lengths.items()},
            self.subject[span],
            self.rows[span],
            None if self.target is None else self.target[span],
        )


@dataclass(frozen=True)
class Look:
    """Pictures of a method at work: `n` blocks (walks, people), each of the same labelled rows of frames or maps.

    rows: label -> float `n t h w`; rows may differ in `t`.
    blocks: a title for each of the `n`.
    span: the values that are drawn black and white; (-a, a) for signed maps, whose colours diverge from 0.
    about: what one has to know to read it, for the title.
    moving: the frames of a row are played one after the other instead of laid side by side.
    """

    rows: Mapping[str, Tensor]
    blocks: tuple[str, ...]
    span: tuple[float, float] = (0.0, 1.0)
    about: str = ""
    moving: bool = False


@dataclass(frozen=True)
class Curves:
    """Lines over one axis, e.g. the error at every noise level. lines: label -> float `m`, NaN where nothing is known; over: `m` numbers.

    axes: what the two axes are, with units. about: what one has to know to read it, for the title.
    """

    lines: Mapping[str, Tensor]
    over: Tensor
    axes: tuple[str, str]
    about: str = ""


@dataclass(frozen=True)
class Facts:
    """A table, kept as one. columns: name (with unit) -> a value for each row."""

    columns: Mapping[str, Sequence[float | str]]


@dataclass(frozen=True)
class Numbers:
    """What is measured now and then: each a point of a curve of its name over the run's steps."""

    values: Mapping[str, float]


AnyLook = Look | Curves | Facts | Numbers
