"""A trained run in MLflow's model registry: `python pipelines/register.py RUN --name NAME`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from gaitlab.command import guarded, understood
from gaitlab.home import run_named
from gaitlab.tracking.model import register
from gaitlab.types import Modality


@dataclass(frozen=True)
class Arguments:
    """Log a run's best network as a model and register it; print the line of Python that loads it."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run id, or a folder with checkpoints."""
    name: str
    """Of the registered model; an old one of that name gets a new version."""
    modality: Modality | None = None
    """What the network sees, if it can see several."""


def main() -> None:
    asked = understood(lambda: tyro.cli(Arguments, description=__doc__))
    made = register(run_named(asked.run), asked.name, modality=asked.modality)
    parts, size = made.embedding
    print(f"{made.name}, version {made.version}: step {made.step}; model.predict(walks uint8 [n t h w]) -> float32 [n {parts} {size}]")
    print(made.load)


if __name__ == "__main__":
    guarded(main)
