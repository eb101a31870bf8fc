"""What a training step computes in, and whether the processor can."""

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; without them a CPU takes about ten times as long as in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of torch.cpu, in some versions
    return any(getattr(torch.cpu, name)() for name in known if hasattr(torch.cpu, name))


def resolved(asked: Literal["auto"] | Precision, native: bool) -> Precision:
    """auto: bfloat16 where every worker computes it natively, else float32."""
    if asked == "auto":
        return "bfloat16" if native else "float32"
    return asked


def remark(asked: Literal["auto"] | Precision, used: Precision, native: bool) -> str:
    """What a user should know about the precision that a run uses, or ""."""
    if used == "bfloat16" and not native:
        advice = "" if asked == "auto" else "; --train.precision auto, for a new run"
        return f"precision: bfloat16, on a processor that has no instructions for it: slower than float32{advice}"
    if asked == "auto" and used == resolved(asked, native):
        return f"precision: {used}, as the processor has {'' if native else 'no '}bfloat16"
    return f"precision: {used}, as the run began" if asked == "auto" else ""
