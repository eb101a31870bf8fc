"""Sweeps and runs as packs by their names, and packs taken in: runs into their folders, studies into the database."""

import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from gaitlab.runs.book import enter, identity, look_up, with_below
from gaitlab.runs.folder import has_config, newest_run, run_folder
from gaitlab.runs.pack import Packed, pack
from gaitlab.runs.unpack import unpack
from gaitlab.sweeps.study import STUDY_FILE, Study, copy_in, copy_out, remembered
from gaitlab.sweeps.sweep import planned
from gaitlab.tracking.record import kept_record


def pack_named(names: Sequence[str], out: Path, *, storage: str | None = None, part_size: int = 16 * 2**20) -> tuple[list[str], Packed]:
    """Write a pack: of sweeps with all of their runs, of runs by id, of experiments the newest run; each with what it stands on.

    Returns the runs' ids as well. ValueError for a name that is none of these.
    """
    with tempfile.TemporaryDirectory() as scratch:
        runs, studies = _chosen(names, storage, Path(scratch))
        return runs, pack(runs, out, part_size=part_size, also=studies)


def take_in(folder: Path) -> list[str]:
    """Take in a pack; a line about each thing is printed. Returns the runs' ids."""
    unpacked = unpack(folder)
    print("\n".join(unpacked.said), flush=True)
    for run in unpacked.runs:
        record = kept_record(run_folder(run))
        enter(run, (record and record["parent"]) or "")
    for name, file in unpacked.also.items():
        if fnmatch(name, STUDY_FILE.format("*")):
            print(copy_in(file), flush=True)
    return list(unpacked.runs)


def _chosen(names: Sequence[str], storage: str | None, scratch: Path) -> tuple[list[str], Mapping[str, Path]]:
    """Ids of the runs, and the studies of the sweeps."""
    runs: list[str] = []
    studies: dict[str, Path] = {}
    for name in names:
        if has_config(run_folder(name)):
            runs += with_below(name)
        elif sweep := remembered(name, storage):
            file = scratch / STUDY_FILE.format(len(studies))
            copy_out(name, storage, file)  # first, so that what has ended in it is there
            studies[file.name] = file
            begun = [trial.run for trial in Study.read(sweep, storage).trials()]
            begun += [look_up(identity(each).key).run for of in planned(sweep) for each in (*of.all_below, of)]
            runs += [each for run in begun if run and has_config(run_folder(run)) for each in with_below(run)]
        elif newest := newest_run(name):
            runs += with_below(newest)
        else:
            raise ValueError(f"no run, no sweep that was begun and no experiment that was run is called {name!r}")
    return list(dict.fromkeys(runs)), studies
