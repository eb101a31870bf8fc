"""Clips of unequal length without padding: real frames lie packed, one walk after the other.

Frame-wise layers run on the packed `f c h w` and so never see padding; what mixes frames goes through `across_time` and
`temporal_max`, which respect the walks' borders. A walk's result is therefore the one it has alone. `sizes` are the walks'
lengths as Python integers; walks of one length cost no copy.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def sizes_of(clip: Tensor, lengths: Tensor) -> list[int]:
    """Lengths `n` of the clips `n t c h w` on the host (the one synchronisation of a forward pass)."""
    sizes: list[int] = lengths.tolist()
    if len(sizes) != len(clip) or min(sizes) < 1 or max(sizes) > clip.shape[1]:
        raise ValueError(f"clips of shape {tuple(clip.shape)} need one length each, 1 to {clip.shape[1]} frames; got {sizes}")
    return sizes


def snippets(clip: Tensor, lengths: Tensor, frames: int) -> tuple[Tensor, Tensor, list[int]]:
    """Clips `n t c h w`, each cut into k snippets of about `frames` frames, every k-th frame of it; each frame is in one snippet.

    Returns the snippets `m s c h w`, clip after clip, their lengths `m`, and each clip's k.
    """
    counts = [max(1, round(size / frames)) for size in lengths.tolist()]
    parts = [walk[first:size:k] for walk, size, k in zip(clip, sizes_of(clip, lengths), counts, strict=True) for first in range(k)]
    sizes = torch.tensor([len(part) for part in parts], device=lengths.device)
    return pad_sequence(parts, batch_first=True), sizes, counts


def pack(clip: Tensor, sizes: Sequence[int]) -> Tensor:
    """`n t c h w` -> real frames `f c h w`; on the CPU channels last, where convolutions run 1.5 to 2 times as fast."""
    if min(sizes) == clip.shape[1]:
        frames = clip.flatten(0, 1)
    else:
        frames = torch.cat([walk[:size] for walk, size in zip(clip, sizes, strict=True)])
    if frames.device.type != "cpu":
        return frames
    if frames.shape[1] == 1:  # both layouts at once; only strides that say "last" make the next layer keep to it
        return frames.reshape(len(frames), *frames.shape[2:], 1).permute(0, 3, 1, 2)
    return frames.contiguous(memory_format=torch.channels_last)


def temporal_max(frames: Tensor, sizes: Sequence[int]) -> Tensor:
    """Packed `f ...` -> maximum over each walk's frames, `n ...`."""
    if min(sizes) == max(sizes):
        return frames.unflatten(0, (len(sizes), sizes[0])).max(1).values
    return torch.stack([walk.max(0).values for walk in frames.split(list(sizes))])


def temporal_mean(frames: Tensor, sizes: Sequence[int]) -> Tensor:
    """Packed `f ...` -> mean of each walk's frames, `n ...`."""
    if min(sizes) == max(sizes):
        return frames.unflatten(0, (len(sizes), sizes[0])).mean(1)
    return torch.stack([walk.mean(0) for walk in frames.split(list(sizes))])


def across_time(conv: Callable[[Tensor], Tensor], frames: Tensor, sizes: Sequence[int], reach: int = 1) -> Tensor:
    """A length-keeping temporal convolution of packed frames `f ...`, zero-padded in time at each walk's ends.

    conv: maps `b t ...` to `b t ...` and looks `reach` frames to either side, with zero padding. Walks of unequal length run
    as one long clip with `reach` empty frames between neighbours: those are the zero padding, and less of it than filling up
    to the longest walk.
    """
    if min(sizes) == max(sizes):
        return conv(frames.unflatten(0, (len(sizes), sizes[0]))).flatten(0, 1)
    walk = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    place = (torch.arange(len(frames)) + reach * walk).to(frames.device)
    spread = frames.new_zeros((len(frames) + reach * (len(sizes) - 1), *frames.shape[1:])).index_copy(0, place, frames)
    return conv(spread.unsqueeze(0)).squeeze(0)[place]


def neighbours(frames: Tensor, sizes: Sequence[int], reach: int = 1, beyond: float = 0.0) -> Tensor:
    """Packed `f ...` -> `(2 reach + 1) f ...`: for every frame those from `reach` earlier to `reach` later, `beyond` past its walk's ends.

    What a temporal convolution, average (0) or maximum (-inf) sees; exact for walks of unequal length.
    """
    size = torch.tensor(sizes, device=frames.device)
    end = size.cumsum(0)
    start = torch.repeat_interleave(end - size, size, output_size=len(frames))
    stop = torch.repeat_interleave(end, size, output_size=len(frames))
    here = torch.arange(len(frames), device=frames.device)
    seen = []
    for offset in range(-reach, reach + 1):
        there = here + offset
        outside = ((there < start) | (there >= stop)).view(-1, *[1] * (frames.dim() - 1))
        seen.append(frames[there.clamp(0, len(frames) - 1)].masked_fill(outside, beyond) if offset else frames)
    return torch.stack(seen)
