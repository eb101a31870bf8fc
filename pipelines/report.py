"""What sweeps came to, so far or at their end: `python pipelines/report.py NAME... [--out FOLDER] [--storage URL]`.

Writes NAME.md, NAME.json, NAME.tex and NAME.html (one page that needs nothing else) from the study and the runs' folders.
"""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from experiments import SWEEPS
from gaitlab.command import Own, called, understood
from gaitlab.data.shards import DataConfig
from gaitlab.guard import guarded
from gaitlab.modules import import_modules, offered
from gaitlab.reports.report import as_last_run, retested_report, sweep_report
from gaitlab.reports.report_files import write_report
from gaitlab.sweeps.retested import retested
from gaitlab.sweeps.study import Study, remembered
from gaitlab.sweeps.sweep import Sweep
from gaitlab.walkers.source import Generated


@dataclass(frozen=True)
class Arguments:
    """Tables and figures of sweeps; training is not touched, and a sweep that runs may be reported at any time."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME...")]
    """Sweeps of `experiments/`, or begun with `pipelines/sweep.py ... --name NAME`."""
    people: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Test the runs again first, without training, on so many other people of the generator that theirs are of; files are NAME-on-DATA."""
    people_seed: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """--people: seed of their generator; training people have their data's."""
    root: Annotated[str | None, tyro.conf.arg(metavar="SHARDS")] = None
    """The same on these."""
    out: Path = Path("experiments/results")
    """Folder of the files."""
    storage: str | None = None
    """Optuna's database; $GAITLAB_STUDIES, or sweeps.db in gaitlab's home, if not given."""
    own: Own = ()
    """Module with sweeps or methods of your own; several may be given."""


def chosen(arguments: Arguments) -> list[Sweep]:
    """The sweeps that are named. ValueError with a suggestion for an unknown one, before anything is written."""
    if not arguments.names:
        raise ValueError(f"name a sweep; there are {', '.join(SWEEPS)}")
    known = {**SWEEPS, **offered(import_modules(arguments.own), "SWEEPS")}
    return [known.get(name) or remembered(name, arguments.storage) or called(name, known, "sweep") for name in arguments.names]


def other_people(data: DataConfig, arguments: Arguments) -> DataConfig | None:
    """What runs that were trained on `data` are tested on again. None: nothing. ValueError where they were not generated."""
    if arguments.root is not None:
        return DataConfig(root=arguments.root)
    if arguments.people is None:
        return None
    if not isinstance(data.make, Generated):
        raise ValueError(f"--people: the people of {data.root} were not generated; --root SHARDS tests on others")  # noqa: TRY004
    if arguments.people_seed == data.make.seed:
        raise ValueError(f"--people-seed {arguments.people_seed} is the training people's own; give another")
    make = replace(data.make, seed=arguments.people_seed, train_subjects=0, validation_subjects=0, test_subjects=arguments.people)
    return DataConfig(root=f"{Path(data.root).name}-{arguments.people}-others-{arguments.people_seed}", make=make)


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    for named in chosen(arguments):
        study = Study.read(named, arguments.storage)
        sweep = as_last_run(named, study)
        others = other_people(sweep.base.data, arguments)
        again = retested(sweep, study, others) if others else None
        report = retested_report(sweep, study, again, shlex.join(sys.argv[1:])) if again else sweep_report(sweep, study)
        print("\n".join(str(path) for path in write_report(report, arguments.out)))


if __name__ == "__main__":
    guarded(main)
