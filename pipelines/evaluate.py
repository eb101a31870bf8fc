"""Test a trained run, also on another data set: `python pipelines/evaluate.py RUN_ID [--root SHARDS] [--protocols NAME ...]`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from gaitlab.command import Own, understood
from gaitlab.data.shards import DataConfig
from gaitlab.evaluation.embedder import Distance
from gaitlab.evaluation.protocols import PROTOCOLS, protocol
from gaitlab.guard import guarded
from gaitlab.modules import import_modules, offered
from gaitlab.runs.folder import run_named
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.fit import retest
from gaitlab.training.run import LocalRun


@dataclass(frozen=True)
class Arguments:
    """Embed the walks of a protocol with a run's best network; print the table, or where the file for a benchmark's server lies."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run id, or a folder with checkpoints."""
    root: str | None = None
    """Folder of shards (the run's own data if not given)."""
    protocols: tuple[str, ...] = ()
    """Protocols (the run's own if not given), e.g. walkers mocap casia-b grew-submission grew walkers-open walkers@validation."""
    distance: Distance | None = None
    """How walks are compared instead of the protocol's own way."""
    own: Own = ()
    """Module with methods of your own that the run needs, and was not kept with it; several may be given."""


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    own = import_modules(arguments.own)
    folder = run_named(arguments.run)
    data = DataConfig(root=arguments.root) if arguments.root else None
    known = {**PROTOCOLS, **offered(own, "PROTOCOLS")}
    protocols = [protocol(name, known=known) for name in arguments.protocols]
    summary = retest(folder, LocalRun(lambda: folder), NoTracker(), data=data, protocols=protocols, distance=arguments.distance)
    print(f"\n{summary.text()}")


if __name__ == "__main__":
    guarded(main)
