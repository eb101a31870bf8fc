"""gaitlab: gait recognition experiments, from a folder of walks to a result table, on one laptop or a Ray cluster.

What a notebook needs is here: `open_run`, `open_shards`, `evaluate`, `train` (see `gaitlab.notebook`); nothing is imported before it
is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaitlab.notebook import Shards, evaluate, open_run, open_shards, train

__version__ = "0.1.0"
__all__ = ["Shards", "evaluate", "open_run", "open_shards", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'gaitlab' has no attribute {name!r}")
    from gaitlab import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
