"""Bring runs that were trained without MLflow into it: `python pipelines/sync.py [RUN...]`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from gaitlab.command import understood
from gaitlab.guard import guarded
from gaitlab.tracking.sync import sync


@dataclass(frozen=True)
class Arguments:
    """What MLflow lacks of runs, in order, each point once, children under their parents; killed and repeated, it goes on."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = ()
    """Ids of runs; all runs in gaitlab's home that have something to deliver, if not given."""
    uri: str | None = None
    """MLflow's store; $MLFLOW_TRACKING_URI, or mlflow.db in gaitlab's home, if not given."""


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    sync(arguments.runs, arguments.uri)


if __name__ == "__main__":
    guarded(main)
