"""Runs that need no repeating: what was run once with this config and these data is a row of every sweep that asks for it.

The last rows of the tables of levels, of fusions and of lambdas are one experiment: a run is decided by its config, its data and its
seed, so they share one run.
"""

from dataclasses import replace
from pathlib import Path

from gaitlab.config import fingerprint
from gaitlab.experiment import Experiment
from gaitlab.home import home, write_whole
from gaitlab.runs.folder import read_outcome, run_folder


def finished(experiment: Experiment, data_hash: str) -> str | None:
    """Id of a finished run of this experiment, whatever it was called; None if there is none."""
    book = _book(experiment, data_hash)
    run = book.read_text() if book.exists() else ""
    return run if run and read_outcome(run_folder(run)) is not None else None


def note_finished(experiment: Experiment, data_hash: str, run: str) -> None:
    """Remember a finished run."""
    book = _book(experiment, data_hash)
    book.parent.mkdir(parents=True, exist_ok=True)
    write_whole(book, run)


def _book(experiment: Experiment, data_hash: str) -> Path:
    return home() / "sweeps" / "finished" / f"{fingerprint(replace(experiment, name=''))}-{data_hash[:12]}"
