"""Bring runs that were trained without MLflow into it, also from a folder of `pack.py`: `python pipelines/sync.py [RUN|FOLDER ...]`."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from gaitlab.command import understood
from gaitlab.guard import guarded
from gaitlab.runs.unpack import is_pack
from gaitlab.sweeps.packing import take_in
from gaitlab.tracking.sync import check, sync, waiting


@dataclass(frozen=True)
class Arguments:
    """What MLflow lacks of runs, in order, each point once, children under their parents; killed and repeated, it goes on."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN|FOLDER")] = ()
    """Ids of runs, or packs to take in first; all runs in gaitlab's home that have something to deliver, if not given."""
    uri: str | None = None
    """MLflow's store; $MLFLOW_TRACKING_URI, or mlflow.db in gaitlab's home, if not given."""
    tracking: bool = True
    """--no-tracking only takes packs in."""


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    packs = [Path(name) for name in arguments.runs if is_pack(Path(name))]
    runs = [name for name in arguments.runs if Path(name) not in packs]
    for run in runs:
        check(run)
    for folder in packs:
        runs += [run for run in take_in(folder) if run in waiting()]
    if packs and not find_spec("mlflow"):
        print("MLflow is not installed here, so nothing was brought into it")
    elif arguments.tracking and (runs or not packs):
        sync(runs, arguments.uri)


if __name__ == "__main__":
    guarded(main)
