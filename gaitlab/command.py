"""The command line of every pipeline: an experiment's name, any field by its path, and one clear line on errors."""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar, get_args

import tyro

from gaitlab.config import nearest
from gaitlab.data.shards import DataConfig, makes_others, named_folder, shard_folder
from gaitlab.evaluation.protocol import AnyProtocol
from gaitlab.experiment import Experiment, Transfer
from gaitlab.help import families, fitted, one_screen
from gaitlab.home import home
from gaitlab.modules import import_modules, offered
from gaitlab.runs.folder import read_config, run_folder, run_to_resume

T = TypeVar("T")
E = TypeVar("E", bound="Early")


Own = Annotated[tuple[str, ...], tyro.conf.arg(name="module", metavar="NAME"), tyro.conf.UseAppendAction]
"""Modules with methods, backbones, protocols, experiments or sweeps of your own, `--module my.methods`; several may be given."""
Switch = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""An option without a value, and without a `--no-` that would say what is so anyway."""


@dataclass(frozen=True, kw_only=True)
class Early:
    """Options that come out of the line first, because they decide how the others are read. One more is one more field."""

    help_all: Switch = False
    """Every field, with its default."""
    own: Own = ()
    """Module with methods, experiments or sweeps of your own, e.g. my.methods; several may be given."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(Early):
    """What can be said about a run besides its experiment."""

    resume: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """Run id to go on with ("last": this experiment's newest), with its own config unless you name an experiment."""
    fresh: Switch = False
    """Train anew, though the same run is there."""
    init: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN[:PART=PLACE,...]"), tyro.conf.UseAppendAction] = ()
    """Run, folder or experiment to start from; without parts, the experiment's own."""
    tracking: bool = True
    """--no-tracking leaves MLflow alone."""


@dataclass(frozen=True, kw_only=True)
class Command(RunOptions):
    """What the user asked for."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]

    def launched(self, by: Callable[..., T]) -> T:
        """What `by`, one of `gaitlab.launch`, returns."""
        return by(self.experiment, resume=self.resume, tracking=self.tracking, fresh=self.fresh)


def parse(experiments: Mapping[str, Experiment], default: str, arguments: Sequence[str], about: str) -> Command:
    """`[experiment] [--field.path value ...]` -> Command. ValueError for what is wrong; --help prints and ends the process."""
    options, rest = early(RunOptions, arguments)
    experiments = {**experiments, **offered(import_modules(options.own), "ALL")}
    named = bool(rest) and not rest[0].startswith("-")
    name = rest.pop(0) if named else default
    base = called(name, experiments, "experiment")
    if options.resume is not None and options.fresh:
        raise ValueError("--resume goes on with a run, --fresh begins another: give one of them")
    if options.resume is not None:
        resumed = run_to_resume(options.resume, name)
        options = replace(options, resume=resumed)
        if not named:
            base = read_config(run_folder(resumed))
    own = replace(base, modules=(*base.modules, *options.own), init=started_from(base, options.init, experiments))
    start = Command(experiment=own, **vars(options))
    if asks_help(options, rest):
        names = "\n".join([f"{len(experiments)} experiments (default {default}):", *families(experiments, whole=options.help_all)])
        known = f"{base.name}: {size(base)}" if named or options.resume else names
        show_help("[EXPERIMENT] [--field.path VALUE ...] [OPTIONS]", [about, known], start if options.help_all else options)
    command = understood(lambda: tyro.cli(Command, default=start, config=(tyro.conf.AvoidSubcommands,), args=rest))
    check_data(base, command.experiment)
    return command


def started_from(base: Experiment, words: Sequence[str], experiments: Mapping[str, Experiment]) -> tuple[Transfer, ...]:
    """What `--init` asks for: the first one in the place of the experiment's first, and so on; more are added.

    A word is a run's id, a folder or an experiment's name, and behind a colon the parts, `backbone,head` or `backbone=student.backbone`.
    """
    init = list(base.init)
    for place, word in enumerate(words):
        run, _, named = word.partition(":")
        of = experiments.get(run, run)
        pairs = [part.partition("=") for part in named.split(",")] if named else []
        parts = {there: here or there for there, _, here in pairs}
        if place < len(init):
            init[place] = replace(init[place], of=of, parts=parts or init[place].parts)
        elif parts:
            init.append(Transfer(of=of, parts=parts))
        else:
            raise ValueError(f"{base.name} has no parts of its own to start from another run; name them: --init {run}:backbone,head")
    return tuple(init)


def early(kind: type[E], arguments: Sequence[str]) -> tuple[E, list[str]]:
    """The options of `kind`, and all other arguments in their order."""
    options, rest = understood(lambda: tyro.cli(kind, args=arguments, add_help=False, return_unknown_args=True))
    return options, list(rest)


def asks_help(options: Early, rest: Sequence[str]) -> bool:
    return options.help_all or "-h" in rest or "--help" in rest


def show_help(usage: str, paragraphs: Sequence[str], options: Early) -> NoReturn:
    """Print the usage, the paragraphs, and what tyro says about the fields of `options`; exit 0."""
    said = io.TextIOWrapper(io.BytesIO(), encoding=sys.stdout.encoding)
    kind, default, config = type(options), replace(options, help_all=False), (tyro.conf.AvoidSubcommands,)
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit), contextlib.nullcontext() if options.help_all else one_screen():
        understood(lambda: tyro.cli(kind, default=default, config=config, args=["--help"], description=" "))
    said.seek(0)
    fields = said.read().partition("\n\n")[2].strip()  # behind tyro's own usage
    head = f"usage: pipelines/{Path(sys.argv[0]).name} {usage}"
    print("\n\n".join([head, *map(fitted, paragraphs), fields]), flush=True)
    sys.exit(0)


def size(experiment: Experiment) -> str:
    """What an experiment trains and tests, in a line."""
    network = [getattr(experiment.method, part, None) for part in ("recogniser", "backbone")]
    kinds = [type(config).__name__.removesuffix("Config") for config in (experiment.method, *network) if config is not None]
    data, protocols = experiment.data, [test.protocol for test in experiment.benchmarks]
    tests = ", ".join(protocol if isinstance(protocol, str) else protocol.name for protocol in protocols)
    batch = f"{experiment.train.steps:,} steps of {data.subjects_per_batch} x {data.walks_per_subject} walks"
    return f"{', '.join(kinds)}; {batch} of {data.root}; tested by {tests or 'nothing'}"


def check_data(named: Experiment, asked: Experiment) -> None:
    """ValueError if a folder of shards was typed that is not there, though others could be made under its name; or if other walks are asked
    for than `named` has, and others still would be opened: those that the folder holds."""
    before = dict(_data(named))
    for path, data in _data(asked):
        first = before.get(path, data)
        if data.make is None or (data.root, data.make) == (first.root, first.make):
            continue
        if data.make == first.make and named_folder(data) is None:
            raise ValueError(
                f"no shards in {data.root}, nor under that name in {home() / 'data'}; those of {named.name} are made where "
                f"--{path}.root is left out, others by python pipelines/ingest.py"
            )
        if data.make != first.make and makes_others(data):
            raise ValueError(f"{shard_folder(data)} holds other walks than --{path}.make asks for; give these another --{path}.root")


def _data(experiment: Experiment) -> Iterator[tuple[str, DataConfig]]:
    """Path of a data config, and the config; also of what the experiment stands on."""
    yield "data", experiment.data
    for i, test in enumerate(experiment.benchmarks):
        if test.data:
            yield f"benchmarks.{i}.data", test.data
    for i, transfer in enumerate(experiment.init):
        if isinstance(transfer.of, Experiment):
            yield from ((f"init.{i}.of.{path}", data) for path, data in _data(transfer.of))


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


@FIELDS.struct_rule
def _transfer(field: tyro.constructors.StructTypeInfo) -> tyro.constructors.StructConstructorSpec | None:
    """Where a transfer is of a run, that is typed by its id; of an experiment, each of its fields."""
    now = field.default
    if not isinstance(now, Transfer) or not isinstance(now.of, str):
        return None
    kinds = {"of": str, "parts": dict[str, str], "lr_ratio": float}
    fields = [tyro.constructors.StructFieldSpec(name=name, type=kind, default=getattr(now, name)) for name, kind in kinds.items()]
    return tyro.constructors.StructConstructorSpec(instantiate=Transfer, fields=tuple(fields))


def understood(ask: Callable[[], T]) -> T:
    """What is made of the command line; tyro's box about a wrong one becomes the single line of a ValueError, which names the option."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), FIELDS:
            return ask()
    except ValueError as error:
        raise ValueError(_as_typed(str(error))) from None
    except SystemExit as stop:
        if not stop.code:
            raise
    told = said.getvalue().splitlines()
    boxed = [line.strip("│") for line in told if line.startswith("│")] or [line[1:] for line in told if line.startswith("  ")]
    lines = [line.strip() for line in boxed if not line.startswith(" " * 9)]  # without the options' help
    facts = re.sub(r"\.?\s*; \s*", "; ", " ".join("; " if re.fullmatch("[─-]+", line) else line for line in lines))
    facts = re.sub(r"^Error parsing __\S+: ", "", facts.strip())  # a name inside tyro
    facts = facts.partition("; For full helptext")[0].strip()
    raise ValueError(_as_typed(facts) or said.getvalue().strip())  # whatever else was said


def _as_typed(error: str) -> str:
    """`--optim.lr is ...` for what tyro says of `OptimConfig.lr` at `experiment.optim`."""
    return re.sub(r"^(?:Error parsing (?:experiment\.?)?(?!--)(\S*): )?(?:[A-Z]\w*\.(\w+)(?= ))?", _option, error, count=1)


def _option(found: re.Match[str]) -> str:
    path = ".".join(filter(None, found.groups())).replace("_", "-")
    return f"--{path}" + ("" if found[2] else ": ") if path else ""
