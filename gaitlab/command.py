"""The command line of every pipeline: an experiment's name, any field by its path, and one clear line on errors."""

import contextlib
import difflib
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import tyro

from gaitlab.experiment import DataConfig, Experiment, from_dict
from gaitlab.home import home
from gaitlab.runs.folder import CONFIG, has_config
from gaitlab.training.interrupt import Interrupted

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the user asked for."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    resume: str | None = None
    """Run id to go on with ("last": this experiment's newest run); its own config is taken unless you name an experiment."""
    tracking: bool = True
    """--no-tracking leaves MLflow alone."""


def parse(experiments: Mapping[str, Experiment], default: str, arguments: list[str], about: str) -> Command:
    """`[experiment] [--field.path value ...]` -> Command. ValueError for an unknown experiment; tyro reports wrong fields itself."""
    named = bool(arguments) and not arguments[0].startswith("-")
    name = arguments[0] if named else default
    base = called(name, experiments, "experiment")
    resumed = _value_of("--resume", arguments)
    if resumed is not None:
        resumed = run_called(resumed, name)
        if not named:
            base = from_dict(_config(home() / "runs" / resumed / CONFIG))
    catalogue = "\n".join(f"  {key}" for key in experiments)
    command: Command = understood(
        lambda: tyro.cli(
            Command,
            default=Command(experiment=base, resume=resumed),
            config=(tyro.conf.AvoidSubcommands,),
            args=arguments[1:] if named else arguments,
            prog=f"{sys.argv[0]} [experiment]",
            description=f"{about}\n\nexperiments (default {default}):\n{catalogue}\n\nBelow: the fields of {base.name!r}.",
        )
    )
    check_data(base.data, command.experiment.data)
    return Command(experiment=command.experiment, resume=resumed, tracking=command.tracking)


def check_data(named: DataConfig, asked: DataConfig) -> None:
    """ValueError if other walks are asked for than `named` has, and others still would be opened: those that the folder holds."""
    if asked.make == named.make:
        return
    from gaitlab.data.shards import makes_others, shard_folder

    if makes_others(asked):
        raise ValueError(f"{shard_folder(asked)} holds other walks than --data.make asks for; give these another --data.root")


def called(name: str, there: Mapping[str, T], what: str) -> T:
    """The one of that name. ValueError with the nearest name, or all of them."""
    if name in there:
        return there[name]
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.4)
    raise ValueError(f"unknown {what} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(there)}"))


def understood(ask: Callable[[], T]) -> T:
    """What tyro makes of the command line; its box about a wrong one becomes the single line of a ValueError."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return ask()
    except SystemExit as stop:
        if not stop.code:
            raise
    boxed = [line.strip("│") for line in said.getvalue().splitlines() if line.startswith("│")]
    lines = [line.strip() for line in boxed if not line.startswith(" " * 9)]  # without the options' help
    facts = re.sub(r"\.?\s*; \s*", "; ", " ".join("; " if line.startswith("──") else line for line in lines))
    facts = re.sub(r"^Error parsing __\S+: ", "", facts.strip())  # a name inside tyro
    raise ValueError(facts.partition("; For full helptext")[0].strip())


def run_called(name: str, experiment: str) -> str:
    """Folder name of the run to resume. ValueError if there is none."""
    runs = home() / "runs"
    if name != "last":
        if not has_config(runs / name):
            raise ValueError(f"no run {name!r} in {runs}; --resume last takes the newest run of an experiment")
        return name
    newest = newest_run(experiment)
    if newest is None:
        raise ValueError(f"no run of {experiment!r} in {runs} to resume")
    return newest


def newest_run(experiment: str, since: int = 0) -> str | None:
    """Folder name of the experiment's newest run, of those that began at `since` (ns since 1970) or later; None if there is none."""
    began = {path: path.stat().st_mtime_ns for path in (home() / "runs").glob(f"*/{CONFIG}")}
    found = [(at, path.parent.name) for path, at in began.items() if at >= since and _config(path)["name"] == experiment]
    return max(found)[1] if found else None


def _config(path: Path) -> dict[str, Any]:
    """A run's config as plain JSON."""
    try:
        config: dict[str, Any] = json.loads(path.read_text())
        config["name"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    return config


def _value_of(flag: str, arguments: list[str]) -> str | None:
    for i, word in enumerate(arguments):
        if word == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if word.startswith(flag + "="):
            return word.split("=", 1)[1]
    return None


def main(experiments: Mapping[str, Experiment], default: str, launch: Callable[[Command], object], about: str) -> NoReturn:
    """Parse, launch, exit: 0 done, 2 wrong input or environment (one line on stderr), 130 stopped but resumable."""
    guarded(lambda: launch(parse(experiments, default, sys.argv[1:], about)))


def guarded(work: Callable[[], object]) -> NoReturn:
    """Run `work` and exit; expected errors are one line without a traceback, and SIGTERM cleans up like Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        work()
    except Interrupted as stop:
        print(stop, flush=True)
        sys.exit(130)
    except BrokenPipeError:  # e.g. `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError) as error:
        named = isinstance(error, OSError) and error.filename is not None and error.strerror is not None
        print(f"error: {error.filename}: {error.strerror}" if named else f"error: {error}", file=sys.stderr)  # type: ignore[union-attr]
        sys.exit(2)
    sys.exit(0)
