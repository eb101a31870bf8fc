"""The range of a number, as part of its type: `lr: Annotated[float, Within(above=0)] = 0.1`, or one of the names below.

`gaitlab.config.Config` refuses what lies outside when a config is made, wherever the value comes from. NaN and infinity always do.
"""

import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Within:
    """From `least` to `most`; `above` and `below` do not belong to it themselves."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        ends = {"{:g} or more": self.least, "above {:g}": self.above, "at most {:g}": self.most, "below {:g}": self.below}
        return " and ".join(words.format(end) for words, end in ends.items() if end is not None) or "a finite number"


Natural = Annotated[int, Within(0)]
Count = Annotated[int, Within(1)]
Depth = Annotated[int, Within(1, 1000)]
"""Blocks of a stage; a config that somebody else wrote may say anything."""
Positive = Annotated[float, Within(above=0)]
Weight = Annotated[float, Within(0)]
Share = Annotated[float, Within(0, 1)]
PartShare = Annotated[float, Within(0, below=1)]
"""Of which never all is taken."""
AnyNumber = Annotated[float, Within()]

FINITE = Within()


def outside(value: Any, hint: Any) -> Iterator[tuple[float, Within]]:
    """Numbers in `value`, which a field of the type `hint` (with its `Annotated`) holds, that lie outside their range; and that range."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        within = next((of for kind, of in numbers(hint) if kind is float or isinstance(value, int)), FINITE)
        if value not in within:
            yield value, within
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from outside(item, of_item(hint, place))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from outside(item, of_item(hint, 0))


def numbers(hint: Any) -> Iterator[tuple[type, Within]]:
    """int or float, and its range, of each kind of number that a field of the type may be; FINITE where none is said."""
    for arm in arms(hint):
        kind, *said = typing.get_args(arm) if typing.get_origin(arm) is Annotated else (arm,)
        if kind in (int, float):
            yield kind, next((of for of in said if isinstance(of, Within)), FINITE)


def arms(hint: Any) -> tuple[Any, ...]:
    """Alternatives of a union, or the type itself."""
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def of_item(hint: Any, place: int) -> Any:
    """Type of what a field of the type `hint`, a tuple or a mapping, holds at a place."""
    for arm in arms(hint):
        origin, args = typing.get_origin(arm), typing.get_args(arm)
        if origin is tuple and (args[-1] is Ellipsis or place < len(args)):
            return args[0] if args[-1] is Ellipsis else args[place]
        if origin is Mapping:
            return args[1]
    return Any
