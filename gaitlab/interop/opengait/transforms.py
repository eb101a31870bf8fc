"""OpenGait's clip transforms -> crop width and probabilities. Ours act in one fixed order; another order is refused by name."""

import math
from typing import Any

from gaitlab.interop.opengait.settings import Settings
from gaitlab.types import Augment

SIZE = 64
"""Columns of a prepared frame; the crop takes ten from either side."""

# In the order in which they act here: name there -> field of Augment, and the only values its other options may have.
_BEFORE = {
    "RandomAffine": ("affine", {"degree": 10}),
    "RandomPerspective": ("perspective", {}),
}
_AFTER: dict[str, tuple[str, dict[str, Any]]] = {
    "RandomHorizontalFlip": ("flip", {}),
    "RandomRotate": ("rotate", {"degree": 10}),
    "RandomErasing": ("erase", {"sl": 0.05, "sh": 0.2, "r1": 0.3, "per_frame": False}),
    "RandomPartDilate": ("dilate", {"top_range": [9, 20], "bot_range": [39, 50]}),
    "RandomPartBlur": ("blur", {"top_range": [9, 20], "bot_range": [39, 50]}),
}
_CROPS = ("BaseSilCuttingTransform", "BaseSilTransform")
_ORDER = (*_BEFORE, "the crop", *_AFTER)
_BUNDLE = "DA4GaitSSB"
_GAITSSB = Augment(affine=0.2, perspective=0.2, flip=0.5, dilate=0.2, blur=0.2)
"""What the bundle holds (Fan et al., "Learning gait representation from massive unlabelled walking videos", T-PAMI 2023)."""


def read_transforms(owner: Settings) -> tuple[int | None, Augment]:
    """Width of a clip (None: uncropped) and its augmentation, of the `transform` list of trainer_cfg or evaluator_cfg.

    The list has an entry for every input; several transforms of one input stand in a Compose.
    """
    entries = [(entry, entry.text("type")) for entry in owner.levels("transform", [{"type": _CROPS[0]}])]
    for entry, kind in entries:
        if kind == "NoOperation":
            entry.close()
    steps = [(entry, kind) for entry, kind in entries if kind != "NoOperation"]
    if len(steps) != 1:
        raise ValueError(
            f"{owner.name('transform')} has {len(steps)} entries besides NoOperation; each is the transform of one input, "
            "so put all of them into one entry 'type: Compose' with 'trf_cfg'"
        )
    entry, kind = steps[0]
    if kind == _BUNDLE:
        width = _width(entry, cropped=True)
        entry.close()
        return width, _GAITSSB
    if kind == "Compose":
        steps = [(inner, inner.text("type")) for inner in entry.levels("trf_cfg")]
        entry.close()
    return _composed(owner.name("transform"), steps)


def _composed(path: str, steps: list[tuple[Settings, str]]) -> tuple[int | None, Augment]:
    width: int | None = None
    chances: dict[str, float] = {}
    acted: list[str] = []
    for step, kind in steps:
        if kind in _CROPS:
            place = "the crop"
            width = _width(step, cropped=kind == _CROPS[0])
        elif kind in _BEFORE or kind in _AFTER:
            place = kind
            field, fixed = (_BEFORE | _AFTER)[kind]
            chances[field] = step.number("prob")
            for option, ours in fixed.items():
                if (value := step.raw(option, ours)) != ours:
                    raise ValueError(f"{step.name(option)} is {value!r}; {kind} has {ours!r} here: leave it out, or write {ours!r}")
        else:
            raise ValueError(f"{step.name('type')} is {kind!r}; known are {', '.join((*_CROPS, *_BEFORE, *_AFTER, 'Compose', _BUNDLE))}")
        step.close()
        if acted and _ORDER.index(place) <= _ORDER.index(acted[-1]):
            raise ValueError(f"{step.path}: {place} comes after {acted[-1]}; the order here is {', '.join(_ORDER)}, each at most once")
        acted.append(place)
    if "the crop" not in acted:
        raise ValueError(f"{path} has neither {_CROPS[0]} nor {_CROPS[1]}: put one of them into it")
    try:
        return width, Augment(**chances)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _width(step: Settings, *, cropped: bool) -> int | None:
    """Columns that are left; None where none is cut off."""
    if (divisor := step.number("divsor", 255.0)) != 255.0:
        raise ValueError(f"{step.name('divsor')} is {divisor}; pixels are divided by 255 here: leave it out")
    step.ignore("nothing reads it", "img_w")
    cut = step.raw("cutting", None) if cropped else 0
    if cut is None:
        cut = math.floor(SIZE / 64) * 10
    if type(cut) is not int or not 0 <= cut < SIZE // 2:
        raise ValueError(f"{step.name('cutting')} is {cut!r}; it takes the columns to cut off on either side, 0 to {SIZE // 2 - 1}")
    return SIZE - 2 * cut if cut else None
