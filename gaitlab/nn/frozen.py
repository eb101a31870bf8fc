"""A network at rest inside another one: a teacher, or a body that is probed.

What holds it does not see its parameters, buffers and modules, so neither do optimisers, moving averages, gradient synchronisation,
counts of parameters and checkpoints. It follows its holder to a device and a number format, and is never in training mode.
"""

from typing import Any

from torch import nn


class Frozen(nn.Module):
    """Calls and attributes are those of the network. A place for one that is put there later is made without it: `Frozen()`.

    Gradients pass through to what the network is given; its own parameters have none.
    """

    def __init__(self, network: nn.Module | None = None, *, missing: str = "nothing was put here: let a transfer name this place") -> None:
        """missing: what a call of an empty place is told, as a ValueError."""
        super().__init__()
        self.__dict__["network"] = None  # not among the modules
        self.__dict__["missing"] = missing
        if network is not None:
            self.put(network)

    def put(self, network: nn.Module) -> None:
        """The network is frozen here."""
        self.__dict__["network"] = network.eval().requires_grad_(False)

    @property
    def empty(self) -> bool:
        return self.__dict__["network"] is None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self._there()(*inputs, **named)

    def __getattr__(self, name: str) -> Any:
        """What the network has; asked only for what a Module lacks."""
        network = self.__dict__.get("network")
        if name.startswith("__") or network is None:
            raise AttributeError(f"{name}: {self.__dict__.get('missing')}")
        return getattr(network, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Frozen":
        """One network for all copies, since it never changes."""
        copy = Frozen(missing=self.__dict__["missing"])
        copy.__dict__["network"] = self.__dict__["network"]
        return copy

    def _apply(self, fn: Any, recurse: bool = True) -> "Frozen":
        if self.__dict__["network"] is not None:
            self.__dict__["network"]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def _there(self) -> nn.Module:
        network: nn.Module | None = self.__dict__["network"]
        if network is None:
            raise ValueError(self.__dict__["missing"])
        return network


def part_of(network: nn.Module, path: str) -> nn.Module | None:
    """The part at a dotted path, also inside of what is frozen, and as it was before; an empty place as it is; None if there is none."""
    found = network
    for name in path.split(".") if path else ():
        children = dict(_inside(found).named_children())
        if name not in children:
            return None
        found = children[name]
    return _inside(found)


def _inside(module: nn.Module) -> nn.Module:
    return module if not isinstance(module, Frozen) or module.empty else module.__dict__["network"]
