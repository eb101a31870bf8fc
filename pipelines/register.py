"""A trained run in MLflow's model registry: `python pipelines/register.py RUN --name NAME`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from gaitlab.command import Own, understood
from gaitlab.guard import guarded
from gaitlab.modules import import_modules
from gaitlab.runs.folder import run_named
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
    own: Own = ()
    """Module with methods of your own that the run needs, and was not kept with it; several may be given."""


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    import_modules(arguments.own)
    made = register(run_named(arguments.run), arguments.name, modality=arguments.modality)
    parts, size = made.embedding
    print(f"{made.name}, version {made.version}: step {made.step}; model.predict(walks uint8 [n t h w]) -> float32 [n {parts} {size}]")
    print(made.load)


if __name__ == "__main__":
    guarded(main)
