"""What sweeps came to, so far or at their end: `python pipelines/report.py NAME... [--out FOLDER] [--storage URL]`.

Writes NAME.md, NAME.json, NAME.tex and NAME.html (one page that needs nothing else) from the study and the runs' folders.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments import SWEEPS
from gaitlab.command import Own, called, understood
from gaitlab.guard import guarded
from gaitlab.modules import import_modules, offered
from gaitlab.reports.report import as_run, report
from gaitlab.sweeps.study import Study, remembered
from gaitlab.sweeps.sweep import Sweep


@dataclass(frozen=True)
class Arguments:
    """Tables and figures of sweeps; training is not touched, and a sweep that runs may be reported at any time."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME...")]
    """Sweeps of `experiments/`, or begun with `pipelines/sweep.py ... --name NAME`."""
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


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    for sweep in chosen(arguments):
        study = Study.read(sweep, arguments.storage)
        print("\n".join(str(path) for path in report(as_run(sweep, study), study, arguments.out)))


if __name__ == "__main__":
    guarded(main)
