"""Runs are found by what they are: config, data, seed, and the code that decides numbers (`gaitlab.runs.code`).

Each such thing has an entry, in the folder `book` of gaitlab's home, with the run that is or was of it. It is written before the run has an
id, so that whoever asks for the same thing later goes on with the run that there is, wherever it was cut short; and it is locked while
somebody works at it, so that two who ask at once train once.
"""

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from gaitlab.config import fingerprint
from gaitlab.data.shards import open_data, open_training
from gaitlab.experiment import Experiment
from gaitlab.home import home, read_plain, write_plain
from gaitlab.runs import checkpoint, claim
from gaitlab.runs.code import code_hash
from gaitlab.runs.folder import has_config, newest_run, read_config, read_outcome, run_folder, run_named
from gaitlab.runs.summary import Summary

IDENTITY = "identity.json"
"""In a run's folder: what it is of."""
SAID_EVERY = 60.0
"""Seconds between two lines of somebody who waits for another process."""


@dataclass(frozen=True)
class Identity:
    """What a run is a function of. config: fingerprint, the seed in it. data: hashes of what it learns from and is tested on.
    below: keys of what it stands on. code: `runs.code`'s hash."""

    config: str
    data: tuple[str, ...]
    below: tuple[str, ...]
    code: str

    @property
    def key(self) -> str:
        """24 hex digits of all four."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:24]


def identity(experiment: Experiment) -> Identity:
    """Two names of one thing are one. Data that are not there are made. ValueError for a run that it stands on and that is not there."""
    return Identity(
        fingerprint(experiment),
        (open_training(experiment.data).hash, *(open_data(test.data).hash for test in experiment.benchmarks if test.data)),
        tuple(identity(t.of).key if isinstance(t.of, Experiment) else checkpoint.content(run_named(t.of)) for t in experiment.init),
        code_hash(experiment),
    )


@dataclass(frozen=True)
class Entry:
    """key: of an `Identity`. run: id of its run, "" before it has one. token: what the run is begun under, of this home alone.
    parent: run of the sweep that it was begun for."""

    key: str
    run: str = ""
    token: str = ""
    parent: str = ""

    @property
    def outcome(self) -> Summary | None:
        """What its run came to; None before the end."""
        return read_outcome(run_folder(self.run)) if self.run else None

    @property
    def begun(self) -> bool:
        """Whether there is a run to go on with."""
        return bool(self.run) and has_config(run_folder(self.run))


def look_up(key: str) -> Entry:
    """The entry as it is; an empty one if nobody ever asked for it."""
    file = _file(key)
    if not file.exists():
        return Entry(key)
    try:
        return Entry(key, **read_plain(file))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}); delete it, and --resume RUN goes on with its run") from None


@contextlib.contextmanager
def held(key: str, name: str, *, fresh: bool = False) -> Iterator[Entry]:
    """The entry, which nobody else holds until the end of the block; a new one if there is none or `fresh`.

    Waits for a process that has it, and says so. name: the experiment's.
    """
    lock, since, patience = FileLock(lock_file(key)), time.monotonic(), 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            run, patience = look_up(key).run, SAID_EVERY
            which = f"run {run}, {claim.trained_by(run_folder(run))}" if run else "a run that has no id yet"
            print(f"{name}: another process trains it ({which}); waiting, {time.monotonic() - since:.0f} s so far", flush=True)
    try:
        entry = look_up(key)
        if fresh or not entry.token:
            entry = Entry(key, token=uuid.uuid4().hex)
            _write(entry)
        yield entry
    finally:
        lock.release()


def note_run(of: Identity, run: str, parent: str = "") -> None:
    """A run has begun: its id into the entry, what it is of into its folder."""
    _write(replace(look_up(of.key), run=run, parent=parent))
    write_plain(run_folder(run) / IDENTITY, asdict(of))


def part_ways(run: str, of: Identity, now: Experiment) -> None:
    """The run goes on with another config: it is no longer what it was of, so that this is trained anew when it is asked for, nor what
    is asked for by the new config."""
    note_run(replace(of, config=f"{of.config}, then {fingerprint(now)}"), run)
    if look_up(of.key).run == run:
        _write(Entry(of.key))


def identity_of(run: str) -> Identity | None:
    """What a run is of; None for one of before 2026-12."""
    file = run_folder(run) / IDENTITY
    if not file.exists():
        return None
    try:
        plain = read_plain(file)
        return Identity(plain["config"], tuple(plain["data"]), tuple(plain["below"]), plain["code"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}); delete it, and the run is found by its id alone") from None


def enter(run: str, parent: str = "") -> bool:
    """A run that came from elsewhere into the book, unless one that is as far is there, or is being trained; whether it is in it now.

    parent: run of the sweep that it was begun for.
    """
    of = identity_of(run)
    if of is None:
        return False
    with contextlib.suppress(Timeout), FileLock(lock_file(of.key), timeout=0):
        entry = look_up(of.key)
        if entry.run != run and not entry.outcome and (read_outcome(run_folder(run)) or not entry.begun):
            _write(Entry(of.key, run, entry.token or uuid.uuid4().hex, parent))
    return look_up(of.key).run == run


def with_below(run: str) -> list[str]:
    """The run and those that it stands on, these first, as far as they are in gaitlab's home."""
    of, found = identity_of(run), []
    for key in of.below if of else ():
        found += with_below(below) if (below := look_up(key).run) else []
    named = [transfer.of for transfer in read_config(run_folder(run)).init if isinstance(transfer.of, str)]
    found += [each for other in named if has_config(run_folder(other)) for each in with_below(other)]
    return list(dict.fromkeys([*found, run]))


def newest_but(of: Identity, name: str) -> tuple[str, str]:
    """The newest run of that name and config if it is not of this identity, and what is another; two empty texts otherwise."""
    run = newest_run(name)
    known = identity_of(run) if run else None
    if run is None or known is None or known == of or known.config != of.config:
        return "", ""
    other = {"the data are": known.data != of.data, "what it stands on is": known.below != of.below, "the code is": known.code != of.code}
    return run, " and ".join(what for what, differs in other.items() if differs)


def _write(entry: Entry) -> None:
    write_plain(_file(entry.key), {"run": entry.run, "token": entry.token, "parent": entry.parent})


def lock_file(key: str) -> Path:
    """Held by whoever works at the entry's run."""
    return _file(key).with_suffix(".lock")


def log_file(key: str) -> Path:
    """What a process prints that a sweep started for the entry."""
    return _file(key).with_suffix(".log")


def _file(key: str) -> Path:
    folder = home() / "book"
    folder.mkdir(exist_ok=True)
    return folder / f"{key}.json"
