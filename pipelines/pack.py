"""Runs for another machine, in parts that any medium carries: `python pipelines/pack.py NAME... -o FOLDER [--part-size 16M]`."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gaitlab.command import understood
from gaitlab.guard import guarded
from gaitlab.runs.book import identity, look_up, with_below
from gaitlab.runs.folder import has_config, newest_run, run_folder
from gaitlab.runs.pack import pack, size_of
from gaitlab.sweeps.study import STUDY_FILE, Study, copy_out, remembered
from gaitlab.sweeps.sweep import of_row


@dataclass(frozen=True)
class Arguments:
    """Write configs, figures, newest checkpoints and what no store has yet; on the other machine, `python pipelines/sync.py FOLDER`."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME...")]
    """A sweep, with all of its runs; or runs' ids; or experiments, of each the newest run. Each comes with what it stands on."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
    """A new folder. Runs may go on meanwhile."""
    part_size: Annotated[str, tyro.conf.arg(metavar="SIZE")] = "16M"
    """No file is larger: bytes, or a number with K, M or G."""
    storage: str | None = None
    """Optuna's database; $GAITLAB_STUDIES, or sweeps.db in gaitlab's home, if not given."""


def chosen(arguments: Arguments, scratch: Path) -> tuple[list[str], Mapping[str, Path]]:
    """Ids of the runs, and the study of a sweep. ValueError for a name that is neither."""
    runs: list[str] = []
    studies: dict[str, Path] = {}
    for name in arguments.names:
        if has_config(run_folder(name)):
            runs += with_below(name)
        elif sweep := remembered(name, arguments.storage):
            file = scratch / STUDY_FILE.format(len(studies))
            copy_out(name, arguments.storage, file)  # first, so that what has ended in it is there
            studies[file.name] = file
            begun = [trial.run for trial in Study.read(sweep, arguments.storage).trials()]
            rows = [of_row(sweep, row, seed) for row in sweep.rows for seed in sweep.seeds]
            begun += [look_up(identity(each).key).run for of in rows for each in (*of.all_below, of)]
            runs += [each for run in begun if run and has_config(run_folder(run)) for each in with_below(run)]
        elif newest := newest_run(name):
            runs += with_below(newest)
        else:
            raise ValueError(f"no run, no sweep that was begun and no experiment that was run is called {name!r}")
    return list(dict.fromkeys(runs)), studies


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    with tempfile.TemporaryDirectory() as scratch:
        runs, studies = chosen(arguments, Path(scratch))
        packed = pack(runs, arguments.out, part_size=size_of(arguments.part_size), also=studies)
    parts = packed.parts
    print(f"runs: {len(runs)}, files: {packed.files}, {packed.size / 2**20:.1f} MiB in {parts} part{'s' * (parts > 1)} in {arguments.out}")
    print(f"take it in elsewhere with: python pipelines/sync.py {arguments.out}")


if __name__ == "__main__":
    guarded(main)
