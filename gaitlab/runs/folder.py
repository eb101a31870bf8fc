"""A run's folder: where it lies, which one is meant, and what is in it besides checkpoints: the experiment, and at the end its figures."""

import contextlib
import math
from pathlib import Path
from typing import Any

import pandas as pd

from gaitlab.config import from_dict, to_dict
from gaitlab.experiment import Experiment
from gaitlab.home import home, read_plain, write_plain
from gaitlab.modules import import_kept
from gaitlab.runs.summary import Summary

CONFIG, OUTCOME = "experiment.json", "outcome.json"


def run_folder(run_id: str) -> Path:
    """Folder of a run's checkpoints, results and spool."""
    return home() / "runs" / run_id


def run_named(run: str) -> Path:
    """Folder of the run that a user means: a folder with checkpoints, or the run's id. It need not be there."""
    return Path(run) if Path(run).is_dir() else run_folder(run)


def run_to_resume(name: str, experiment: str) -> str:
    """Id of the run that `--resume NAME` means; `last` is the newest of the experiment. ValueError if there is none."""
    runs = home() / "runs"
    if name != "last":
        if not has_config(runs / name):
            raise ValueError(f"no run {name!r} in {runs}; --resume last takes the newest run of an experiment")
        return name
    newest = newest_run(experiment)
    if newest is None:
        raise ValueError(f"no run of {experiment!r} in {runs} to resume")
    return newest


def newest_run(experiment: str) -> str | None:
    """Id of the experiment's newest run; None if there is none."""
    found = []
    for path in (home() / "runs").glob(f"*/{CONFIG}"):
        with contextlib.suppress(ValueError, FileNotFoundError):  # one that is damaged, or going, is not the newest
            if _plain(path)["name"] == experiment:
                found.append((path.stat().st_mtime_ns, path.parent.name))
    return max(found)[1] if found else None


def has_config(folder: Path) -> bool:
    """Whether a run has begun in the folder."""
    return (folder / CONFIG).exists()


def keep_config(experiment: Experiment, folder: Path, *, again: bool = False) -> Path:
    """The experiment into the run's folder, where `--resume` looks for it, unless one is there; returns the folder.

    again: in the place of the one that is there.
    """
    if again or not has_config(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_plain(folder / CONFIG, to_dict(experiment))
    return folder


def read_config(folder: Path) -> Experiment:
    """The experiment that `keep_config` put there."""
    return stored_experiment(_plain(folder / CONFIG), folder)


def stored_experiment(plain: Any, folder: Path) -> Experiment:
    """The experiment of a config that lay in `folder`, as JSON; the modules that it names are imported if that is in gaitlab's home."""
    if not isinstance(plain, dict):
        raise ValueError(f"the config in {folder} is a {type(plain).__name__}, not an experiment's fields")  # noqa: TRY004  (the file's fault)
    if folder.resolve().is_relative_to(home()):
        import_kept(plain.get("modules", ()))
    return from_dict(plain, Experiment)


def write_outcome(folder: Path, summary: Summary) -> None:
    """The figures into the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "metrics": summary.metrics,
        "subjects": summary.subjects,
        "rank1": _table(summary.rank1),
        "classes": _table(summary.classes),
        "files": summary.files,
        "headline": summary.headline,
        "measure": summary.measure,
        "changes": summary.changes,
    }
    write_plain(folder / OUTCOME, plain)


def read_outcome(folder: Path) -> Summary | None:
    """What `write_outcome` put there; None if the run is not finished. A value that JSON has no number for is NaN. Tables are newer
    than 2026-11."""
    path = folder / OUTCOME
    if not path.exists():
        return None
    try:
        plain = read_plain(path)
        return Summary(
            metrics={str(k): float(v) if v is not None else math.nan for k, v in plain["metrics"].items()},
            subjects={p: {s: (float(a), float(b)) for s, (a, b) in of.items()} for p, of in plain["subjects"].items()},
            rank1=_frame(plain.get("rank1")),
            classes=_frame(plain.get("classes")),
            files=tuple(plain.get("files", ())),
            headline=float(plain.get("headline", math.nan)),
            measure=str(plain.get("measure", "rank-1")),
            run=folder.name,
            changes=tuple(plain.get("changes", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it, and the run is tested again") from None


def _table(frame: pd.DataFrame) -> dict[str, Any] | None:
    """A table of `Summary` as JSON."""
    if frame.empty:
        return None
    return {
        "names": list(frame.index.names), "rows": list(frame.index), "columns": list(frame.columns), "values": frame.to_numpy().tolist(),
    }  # fmt: skip


def _frame(plain: dict[str, Any] | None) -> pd.DataFrame:
    """Inverse of `_table`."""
    if plain is None:
        return pd.DataFrame()
    rows = pd.MultiIndex.from_tuples([tuple(row) for row in plain["rows"]], names=plain["names"])
    return pd.DataFrame(plain["values"], rows, plain["columns"], dtype=float)


def _plain(path: Path) -> dict[str, Any]:
    """A run's config as JSON."""
    try:
        config = read_plain(path)
        config["name"]
    except (ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); put a whole one there, from a pack or a copy of the run") from None
    return config
