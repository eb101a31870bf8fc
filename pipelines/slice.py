"""A slice of a long plan, on a machine that is lent for minutes: `python pipelines/slice.py [PACK] --minutes 9 --processes 6 -o NEXT`.

Takes in the pack of the slice before, says what it will get done, runs sweeps in their order, several runs side by side (also on one GPU),
stops in time, and packs all that was done. Neither Ray, MLflow nor internet is needed; the machine may forget everything in between.
"""

import math
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments import SWEEPS
from experiments.gpu import SLICES
from gaitlab.command import Own, called, understood
from gaitlab.experiment import Experiment
from gaitlab.guard import guarded
from gaitlab.launch import run_sweep
from gaitlab.modules import import_modules, offered
from gaitlab.runs import checkpoint
from gaitlab.runs.book import identity, look_up
from gaitlab.runs.folder import run_folder
from gaitlab.runs.pack import check_place
from gaitlab.sweeps.packing import pack_named, take_in
from gaitlab.sweeps.sweep import Sweep, planned
from gaitlab.training.pace import seconds_per_step
from gaitlab.training.progress import clock
from gaitlab.training.ready import prepare


@dataclass(frozen=True)
class Arguments:
    """Runs of sweeps for some minutes, from a pack to a pack."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
    """New folder for the pack of all that is done then."""
    pack: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[PACK]")] = None
    """Of the slice before."""
    sweeps: tuple[str, ...] = tuple(sweep.name for sweep in SLICES)
    """Sweeps of `experiments/`, in this order; those of `experiments/gpu.py` if not given."""
    minutes: float = 9.0
    """From the command to the pack."""
    reserve: float = 30.0
    """Seconds of them that are kept for runs to stop and for the pack."""
    processes: int = 1
    """Runs at a time."""
    own: Own = ()
    """Module with sweeps or methods of your own; several may be given."""


def main() -> None:
    began = time.monotonic()
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    known = {**SWEEPS, **offered(import_modules(arguments.own), "SWEEPS")}
    sweeps = [called(name, known, "sweep") for name in arguments.sweeps]
    if not 0 <= arguments.reserve < 60 * arguments.minutes < math.inf:
        raise ValueError(f"--minutes {arguments.minutes:g}: {arguments.reserve:g} s of them are for the pack (--reserve); give more")
    check_place(arguments.out)
    end = began + 60 * arguments.minutes - arguments.reserve
    if arguments.pack is not None:
        take_in(arguments.pack)
    ran: list[str] = []
    for sweep in sweeps:
        if ran and time.monotonic() >= end:
            break
        print(f"{sweep.name}: {forecast(sweep, end - time.monotonic(), arguments.processes)}", flush=True)
        ran.append(sweep.name)
        left = max((end - time.monotonic()) / 60, 1e-3)
        run_sweep(sweep, here=True, processes=arguments.processes, minutes=left, tracking=False, typed=f"{sweep.name} --here")
    runs, packed = pack_named(ran, arguments.out)
    line = f"python pipelines/slice.py {shlex.quote(str(arguments.out))} -o NEXT"
    print(f"{len(runs)} runs, {packed.size / 2**20:.1f} MiB; the next slice: {line}")


def forecast(sweep: Sweep, seconds: float, processes: int) -> str:
    """What is left of the sweep, and how much of it these seconds will do, if runs side by side do not wait for one another."""
    if not sweep.rows:
        return f"a search of {sweep.trials} trials"
    left: list[tuple[Experiment, int]] = []
    for experiment in planned(sweep):
        entry = look_up(identity(experiment).key)
        if entry.outcome is None:
            done = max(checkpoint.found(run_folder(entry.run)), default=0) if entry.run else 0
            left.append((experiment, experiment.train.steps - done))
    if not left:
        return "done"
    paces = {method: seconds_per_step(prepare(experiment)) for method, experiment in {e.method: e for e, _ in left}.items()}
    whole = sum(steps * paces[experiment.method] for experiment, steps in left)
    rates = ", ".join(f"{1 / pace:.1f}" for pace in paces.values())
    return (
        f"{len(left)} runs are left, {sum(steps for _, steps in left):,} steps, {clock(whole)} of one process ({rates} steps/s); "
        f"{seconds / 60:.1f} minutes of {processes} will do {min(100.0, 100 * seconds * processes / whole):.0f} % of it at most"
    )


if __name__ == "__main__":
    guarded(main)
