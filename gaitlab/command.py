"""The command line of every pipeline: an experiment's name, any field by its path, and one clear line on errors."""

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar, get_args

import tyro

from gaitlab.config import nearest
from gaitlab.data.shards import DataConfig
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.experiment import Experiment
from gaitlab.modules import import_modules, offered
from gaitlab.runs.folder import read_config, run_folder, run_to_resume

T = TypeVar("T")


Own = Annotated[tuple[str, ...], tyro.conf.arg(name="module", metavar="NAME"), tyro.conf.UseAppendAction]
"""Modules with methods, backbones, protocols, experiments or sweeps of your own, `--module my.methods`; several may be given."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the user asked for."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    resume: str | None = None
    """Run id to go on with ("last": this experiment's newest run); its own config is taken unless you name an experiment."""
    fresh: bool = False
    """Train anew, though a run of the same config, data, seed and code is there; else that one goes on, or is shown."""
    tracking: bool = True
    """--no-tracking leaves MLflow alone."""
    own: Own = ()
    """Module with methods and experiments of your own, e.g. my.methods; several may be given. The run keeps their names."""

    def launched(self, by: Callable[..., T]) -> T:
        """What `by`, one of `gaitlab.launch`, returns."""
        return by(self.experiment, resume=self.resume, tracking=self.tracking, fresh=self.fresh)


def parse(experiments: Mapping[str, Experiment], default: str, arguments: Sequence[str], about: str) -> Command:
    """`[experiment] [--field.path value ...]` -> Command. ValueError for an unknown experiment; tyro reports wrong fields itself."""
    own, arguments = without_modules(arguments)
    experiments = {**experiments, **offered(import_modules(own), "ALL")}
    named = bool(arguments) and not arguments[0].startswith("-")
    name = arguments[0] if named else default
    base = called(name, experiments, "experiment")
    resumed = _value_of("--resume", arguments)
    if resumed is not None:
        resumed = run_to_resume(resumed, name)
        if not named:
            base = read_config(run_folder(resumed))
    catalogue = "\n".join(f"  {key}" for key in experiments)
    command: Command = understood(
        lambda: tyro.cli(
            Command,
            default=Command(experiment=replace(base, modules=(*base.modules, *own)), resume=resumed),
            config=(tyro.conf.AvoidSubcommands,),
            args=arguments[1:] if named else arguments,
            prog=f"{sys.argv[0]} [experiment]",
            description=f"{about}\n\nexperiments (default {default}):\n{catalogue}\n\nBelow: the fields of {base.name!r}.",
        )
    )
    check_data(base.data, command.experiment.data)
    return replace(command, resume=resumed)


def without_modules(arguments: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The modules that `--module` names, and the other arguments: they are imported before the others can be understood."""
    flag = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    flag.add_argument("--module", action="append", default=[])
    try:
        known, rest = flag.parse_known_args(arguments)
    except argparse.ArgumentError:
        raise ValueError("--module takes a module's name, e.g. --module my.methods") from None
    return tuple(known.module), rest


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
    raise ValueError(f"unknown {what} {name!r}{nearest(name, there)}")


FIELDS = tyro.constructors.ConstructorRegistry()
"""How fields are typed that tyro would ask for part by part."""


@FIELDS.primitive_rule
def _protocol(field: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[str | None] | None:
    """A protocol is typed by its name, also where the experiment holds one of its own."""
    kinds = get_args(field.type)
    if AnyProtocol not in kinds:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME|None" if type(None) in kinds else "NAME",
        instance_from_str=lambda words: None if words[0] == "None" and type(None) in kinds else words[0],
        is_instance=lambda value: isinstance(value, kinds),
        str_from_instance=lambda value: [value.name if isinstance(value, AnyProtocol) else str(value)],
    )


def understood(ask: Callable[[], T]) -> T:
    """What tyro makes of the command line; its box about a wrong one becomes the single line of a ValueError."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), FIELDS:
            return ask()
    except SystemExit as stop:
        if not stop.code:
            raise
    boxed = [line.strip("│") for line in said.getvalue().splitlines() if line.startswith("│")]
    lines = [line.strip() for line in boxed if not line.startswith(" " * 9)]  # without the options' help
    facts = re.sub(r"\.?\s*; \s*", "; ", " ".join("; " if line.startswith("──") else line for line in lines))
    facts = re.sub(r"^Error parsing __\S+: ", "", facts.strip())  # a name inside tyro
    raise ValueError(facts.partition("; For full helptext")[0].strip() or said.getvalue().strip())  # no box where a terminal draws none


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    for i, word in enumerate(arguments):
        if word == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if word.startswith(flag + "="):
            return word.split("=", 1)[1]
    return None
