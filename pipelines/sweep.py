"""Run a sweep to its end. Killed and started again it goes on.

python pipelines/sweep.py cod2-levels
python pipelines/sweep.py cod2-levels --here --se 0.3          # without Ray, till gains are sure
python pipelines/sweep.py cod2-levels --name mine --base.train.steps 2000 --seeds 0 1 2 3 4
ray job submit --address URL --working-dir . -- python pipelines/sweep.py cod2-levels
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

import tyro

from experiments import SWEEPS
from gaitlab.command import Early, Switch, asks_help, called, check_data, early, show_help, size, understood
from gaitlab.experiment import Experiment
from gaitlab.guard import guarded
from gaitlab.help import families
from gaitlab.modules import import_modules, offered
from gaitlab.sweeps.sweep import Sweep


@dataclass(frozen=True, kw_only=True)
class Options(Early):
    """What can be said about a sweep besides what its trials share; what it varies is a value in `experiments/`."""

    name: str
    """Another name makes another sweep."""
    seeds: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N...")]
    """Of every row; in turn, of a search."""
    trials: int
    """Search: trials in all; more go on."""
    stopper: Literal["none", "asha", "median"]
    """Search: ends weak trials early."""
    grace: int
    """Steps before that; 0: to the first evaluation."""
    storage: Annotated[str | None, tyro.conf.arg(metavar="DB")] = None
    """Optuna's; $GAITLAB_STUDIES if not given."""
    concurrency: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Ray: trials at a time, else all with room."""
    retry_failed: Switch = False
    """Failed trials run again."""
    fresh: Switch = False
    """What others have finished is repeated."""
    here: Switch = False
    """On this machine, without Ray."""
    processes: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """--here: trials at a time."""
    minutes: Annotated[float | None, tyro.conf.arg(metavar="M")] = None
    """--here: stops after so long; goes on later."""
    se: Annotated[float | None, tyro.conf.arg(metavar="POINTS")] = None
    """Adds seeds till gains are so sure."""
    most: Annotated[int, tyro.conf.arg(metavar="N")] = 16
    """--se: seeds at most."""
    tracking: bool = True
    """--no-tracking leaves MLflow alone."""


@dataclass(frozen=True, kw_only=True)
class Command(Options):
    """All that can be said on the command line."""

    base: Experiment
    """What all trials share."""


def catalogue(sweeps: Mapping[str, Sweep], *, whole: bool) -> str:
    """All sweeps by name, and the one that every experiment has."""
    own = [name for name in sweeps if not name.startswith("recipe-")]
    any_ = next(sweep for name, sweep in sweeps.items() if name.startswith("recipe-"))
    every = f"and recipe-EXPERIMENT: {any_.title} of any recogniser, e.g. {any_.name}"
    return "\n".join([f"{len(own)} sweeps (NAME --help tells what one is):", *families(own, whole=whole), every])


def parse(arguments: Sequence[str]) -> tuple[Sweep, Command]:
    """The sweep that the arguments name, as they change it, and how to run it; without a name, or for --help, prints and exits."""
    early_, rest = early(Early, arguments)
    sweeps = {**SWEEPS, **offered(import_modules(early_.own), "SWEEPS")}
    usage, about = "NAME [--base.field.path VALUE ...] [OPTIONS]", __doc__ or ""
    if not rest or rest[0].startswith("-"):
        show_help(usage, [about, catalogue(sweeps, whole=early_.help_all)], Early())
    sweep = called(rest.pop(0), sweeps, "sweep")
    sweep = replace(sweep, base=replace(sweep.base, modules=(*sweep.base.modules, *early_.own)))
    options = Options(name=sweep.name, seeds=sweep.seeds, trials=sweep.trials, stopper=sweep.stopper, grace=sweep.grace, **vars(early_))
    default = Command(base=sweep.base, **vars(options))
    if asks_help(early_, rest):
        trials = f"{len(sweep.rows)} rows x {len(sweep.seeds)} seeds" if sweep.rows else f"{sweep.trials} trials"
        title = f"{sweep.name}: {sweep.title}; {trials} of {sweep.base.name} ({size(sweep.base)})"
        show_help(usage, [about, title], default if early_.help_all else options)
    c = understood(lambda: tyro.cli(Command, default=default, config=(tyro.conf.AvoidSubcommands,), args=rest))
    check_data(sweep.base, c.base)
    changes = {name: getattr(c, name) for name in ("name", "base", "seeds", "trials", "stopper", "grace")}
    return understood(lambda: replace(sweep, **changes)), c


def main() -> None:
    sweep, command = parse(sys.argv[1:])
    from gaitlab.launch import run_sweep, run_until
    from gaitlab.reports.report import sweep_report
    from gaitlab.reports.table import markdown

    run = partial(run_until, error=command.se, most_seeds=command.most) if command.se is not None else run_sweep
    study, report = run(
        sweep,
        here=command.here,
        processes=command.processes,
        minutes=command.minutes,
        tracking=command.tracking,
        typed=shlex.join(word for word in sys.argv[1:] if word != "--retry-failed"),
        storage=command.storage,
        concurrency=command.concurrency,
        retry=command.retry_failed,
        fresh=command.fresh,
    )
    if report is None and command.minutes:
        print(f"nothing is finished yet; to go on: {study.command}")
        return
    print("\n\n".join(markdown(table) for table in (report or sweep_report(sweep, study)).tables[:2]))
    storage = ["--storage", command.storage] if command.storage else []
    print(f"\nfiles of it: {shlex.join(['python', 'pipelines/report.py', sweep.name, *storage])}")


if __name__ == "__main__":
    guarded(main)
