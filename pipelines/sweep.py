"""Run a sweep to its end: `python pipelines/sweep.py NAME [--base.field.path value ...]`; without a name, what there is.

Killed and started again it goes on: no finished trial is repeated. The same line runs on a cluster:
`ray job submit --address URL --working-dir . -- python pipelines/sweep.py NAME`; and `--here` on a machine without Ray.
"""

import shlex
import sys
from dataclasses import dataclass, replace
from typing import Literal

import tyro

from experiments import SWEEPS
from gaitlab.command import Own, called, check_data, understood, without_modules
from gaitlab.experiment import Experiment
from gaitlab.guard import guarded
from gaitlab.modules import import_modules, offered
from gaitlab.sweeps.sweep import Sweep


@dataclass(frozen=True, kw_only=True)
class Command:
    """What can be said about a sweep on the command line; what it varies is a value in `experiments/`."""

    name: str
    """Another name makes another sweep, with trials of its own."""
    base: Experiment
    """What all trials share."""
    seeds: tuple[int, ...]
    """Ablation: every row with each. Search: trial i has seed i modulo their number."""
    trials: int
    """Search: trials in all."""
    stopper: Literal["none", "asha", "median"]
    """Search: which trials end early, by the validation score every --base.train.evaluate-every steps."""
    grace: int
    """Steps before a trial may be stopped; 0: until its first evaluation."""
    storage: str | None = None
    """Optuna's database, any SQL URL; $GAITLAB_STUDIES, or sweeps.db in gaitlab's home, if not given."""
    concurrency: int | None = None
    """Trials at a time; as many as the cluster has room for if not given, so give it for one that grows."""
    retry_failed: bool = False
    """Failed trials run again."""
    fresh: bool = False
    """Runs that others have finished are repeated."""
    here: bool = False
    """On this machine, without Ray."""
    processes: int = 1
    """--here: trials at a time; threads and GPUs are divided among them."""
    minutes: float | None = None
    """--here: stop after so long, with everything resumable."""
    tracking: bool = True
    """--no-tracking leaves MLflow alone."""
    own: Own = ()
    """Module with sweeps or methods of your own; several may be given."""


def catalogue() -> list[str]:
    """A line for each sweep, and one for those that every experiment has."""
    own = [f"  {name:24}{sweep.title}" for name, sweep in SWEEPS.items() if not name.startswith("recipe-")]
    any_ = next(sweep for name, sweep in SWEEPS.items() if name.startswith("recipe-"))
    return [*own, f"  {'recipe-EXPERIMENT':24}{any_.title} of any recogniser, e.g. {any_.name}"]


def parse(arguments: list[str]) -> tuple[Sweep, Command]:
    """The sweep that the arguments name, as they change it, and how to run it."""
    own, arguments = without_modules(arguments)
    sweep = called(arguments[0], {**SWEEPS, **offered(import_modules(own), "SWEEPS")}, "sweep")
    sweep = replace(sweep, base=replace(sweep.base, modules=(*sweep.base.modules, *own)))
    default = Command(name=sweep.name, base=sweep.base, seeds=sweep.seeds, trials=sweep.trials, stopper=sweep.stopper, grace=sweep.grace)
    prog, hidden = f"pipelines/sweep.py {sweep.name}", (tyro.conf.AvoidSubcommands,)
    c = understood(lambda: tyro.cli(Command, default=default, config=hidden, args=arguments[1:], prog=prog))
    check_data(sweep.base.data, c.base.data)
    return replace(sweep, name=c.name, base=c.base, seeds=c.seeds, trials=c.trials, stopper=c.stopper, grace=c.grace), c


def main() -> None:
    if not (named := without_modules(sys.argv[1:])[1]) or named[0].startswith("-"):
        print(f"{__doc__}\nsweeps:\n" + "\n".join(catalogue()))
        return
    sweep, command = parse(sys.argv[1:])
    from gaitlab.launch import run_sweep
    from gaitlab.reports.report import sweep_report
    from gaitlab.reports.table import markdown

    study, report = run_sweep(
        sweep,
        here=command.here,
        processes=command.processes,
        minutes=command.minutes,
        tracking=command.tracking,
        typed=shlex.join(word for word in sys.argv[1:] if word not in ("--retry-failed", "--fresh")),
        storage=command.storage,
        concurrency=command.concurrency,
        retry=command.retry_failed,
        fresh=command.fresh,
    )
    if report is None and command.minutes:
        print(f"nothing is finished yet; to go on: {study.command}")
        return
    print("\n\n".join(markdown(table) for table in (report or sweep_report(sweep, study)).tables[:2]))
    print(f"\nfiles of it: python pipelines/report.py {sweep.name}" + (f" --storage {command.storage}" if command.storage else ""))


if __name__ == "__main__":
    guarded(main)
