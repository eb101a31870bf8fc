"""The network of an earlier run, and parts of it in another network: copied before the first step, or frozen for good."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from gaitlab.experiment import Experiment, Transfer
from gaitlab.home import home
from gaitlab.method import Method
from gaitlab.nn.frozen import Frozen, part_of
from gaitlab.runs import checkpoint
from gaitlab.runs.book import identity, look_up
from gaitlab.runs.folder import run_named, stored_experiment
from gaitlab.training.border import Run


@dataclass(frozen=True)
class Source:
    """The checkpoint that a transfer takes parts from. run: id, or absolute folder. sha256: of the file."""

    run: str
    step: int
    sha256: str


def trained(folder: Path, run: Run) -> tuple[Experiment, Method]:
    """The experiment and the network of a run's folder of checkpoints: its best step, else its newest.

    Frozen parts are taken from the runs that they belong to; where one is gone, only what needs it fails.
    """
    return _network(checkpoint.chosen(folder)[1], folder, run)


def _network(state: Mapping[str, Any], folder: Path, run: Run) -> tuple[Experiment, Method]:
    experiment = stored_experiment(json.loads(state["config"]), folder)
    averaged = {k.removeprefix("module."): v for k, v in (state.get("averaged") or {}).items() if k.startswith("module.")}
    weights, where = averaged or state["method"], f"the checkpoint in {folder}"
    try:
        sizes = experiment.method.blueprint(len(state["subjects"])).state_dict()  # somebody else's config may ask for any size
    except (RuntimeError, NotImplementedError) as error:
        raise ValueError(f"the config in {folder} makes no network: {str(error).splitlines()[0][:200]}") from None
    elsewhere = tuple(f"{here}." for transfer in experiment.init if not transfer.lr_ratio for here in transfer.parts.values())
    own = {name: tensor.shape for name, tensor in sizes.items() if not name.startswith(elsewhere)}
    if unlike := [name for name, shape in own.items() if getattr(weights.get(name), "shape", None) != shape]:
        raise ValueError(f"{where} does not fit the network that its config builds with this code: it has no {unlike[0]} of that size")
    method = experiment.method.build(len(state["subjects"])).to(run.device)
    freeze(method, experiment.init, recorded(state), run, needed=False)
    checkpoint.restore(method, weights, where)
    return experiment, method


def sources(experiment: Experiment) -> tuple[Source, ...]:
    """Where its transfers take their parts from. ValueError if what one stands on is not trained."""
    return tuple(_source(transfer, f"{experiment.name}, init.{place}") for place, transfer in enumerate(experiment.init))


def _source(transfer: Transfer, where: str) -> Source:
    run = transfer.of
    if isinstance(run, Experiment):
        entry = look_up(identity(run).key)
        if entry.outcome is None:
            raise ValueError(f"{where}: {run.name} is not trained yet; train it first")
        run = entry.run
    folder = run_named(run)
    file, state = checkpoint.chosen(folder)
    return Source(run if folder.parent == home() / "runs" else str(folder.absolute()), state["step"], checkpoint.sha256(file))


def recorded(state: Mapping[str, Any]) -> tuple[Source, ...]:
    """The sources that a checkpoint names."""
    try:
        return tuple(Source(**source) for source in state.get("sources", ()))
    except TypeError as error:
        raise ValueError(f"the checkpoint's sources are damaged: {error}") from None


def record(of: Sequence[Source]) -> list[dict[str, Any]]:
    """For a checkpoint."""
    return [asdict(source) for source in of]


def copy(method: Method, transfers: Sequence[Transfer], of: Sequence[Source], run: Run) -> None:
    """Copy what the transfers name into `method`, but what is frozen. ValueError, before anything is copied, that names every misfit."""
    for place, (transfer, source) in enumerate(zip(transfers, of, strict=True)):
        if not transfer.lr_ratio:
            continue
        earlier, network = _opened(source, run)
        if faults := misfits(network, method, transfer.parts, f"init.{place}"):
            raise ValueError(f"init.{place}: run {source.run} does not fit: {'; '.join(faults)}")
        for there, here in transfer.parts.items():
            weights = part(network, there, "it is taken from", f"init.{place}").state_dict()
            method.get_submodule(here).load_state_dict(weights)
            if run.rank == 0:
                print(f"{here or 'network'}: {len(weights)} tensors from {earlier.name}, run {source.run}, step {source.step}", flush=True)


def freeze(method: Method, transfers: Sequence[Transfer], of: Sequence[Source], run: Run, *, needed: bool = True) -> None:
    """Put what the transfers freeze into its places. ValueError if a run of it is gone or another; if not `needed`, at the first use."""
    for place, (transfer, source) in enumerate(zip(transfers, of, strict=False)):
        if transfer.lr_ratio:
            continue
        missing = ""
        try:
            earlier, network = _opened(source, run)
        except ValueError as error:
            if needed:
                raise ValueError(f"init.{place}: {error}") from None
            missing = f"init.{place}: {error}"
        for there, here in transfer.parts.items():
            taken = None if missing else part(network, there, "it is taken from", f"init.{place}")
            _set(method, here, Frozen(taken, missing=missing))
            if run.rank == 0 and needed and taken is not None:
                size = sum(p.numel() for p in taken.parameters())
                print(f"{here}: {size:,} parameters frozen, from {earlier.name}, run {source.run}, step {source.step}", flush=True)
    if needed and (waiting := [name for name, module in method.named_modules() if isinstance(module, Frozen) and module.empty]):
        raise ValueError(f"{waiting[0]} waits for a frozen network: let a Transfer of init name it as a place, with lr_ratio 0")


def compare(theirs: nn.Module, ours: nn.Module) -> list[str]:
    """A line for each tensor of one part that does not fit the other."""
    a, b = ({name: list(tensor.shape) for name, tensor in module.state_dict().items()} for module in (theirs, ours))
    lines = [f"{name} (only there)" for name in a.keys() - b.keys()] + [f"{name} (missing there)" for name in b.keys() - a.keys()]
    lines += [f"{name} (shape {a[name]}, here {b[name]})" for name in a.keys() & b.keys() if a[name] != b[name]]
    return sorted(lines)


def part(network: nn.Module, path: str, whose: str, where: str) -> nn.Module:
    """`nn.frozen.part_of`; ValueError if there is none."""
    found = part_of(network, path)
    if found is None:
        parts = ", ".join(name for name, _ in network.named_children())
        raise ValueError(f"{where}: the network {whose} has no part {path!r}; it has {parts}")
    return found


def misfits(theirs: nn.Module, ours: nn.Module, parts: Mapping[str, str], where: str) -> list[str]:
    """A line for each tensor that does not fit where it is to go. ValueError if a part is not there."""
    lines = []
    for there, here in parts.items():
        a, b = part(theirs, there, "it is taken from", where), part(ours, here, "to train", where)
        if not isinstance(b, Frozen):  # an empty place takes anything
            lines += [f"{here}.{line}" if here else line for line in compare(a, b)]
    return lines


def _opened(source: Source, run: Run) -> tuple[Experiment, Method]:
    """The network of a source. ValueError if it is gone, or another than it was."""
    folder = run_named(source.run)
    file = checkpoint.found(folder).get(source.step)
    if file is None:
        raise ValueError(f"step {source.step} of run {source.run}, which it stands on, is gone from {folder}; put it back there")
    if checkpoint.sha256(file) != source.sha256:
        raise ValueError(f"{file} is not what it was when it was taken (sha256 {source.sha256[:12]}); put that one back")
    return _network(checkpoint.read(file), folder, run)


def _set(method: nn.Module, place: str, frozen: Frozen) -> None:
    """Put it where a part, or an empty `Frozen`, was."""
    holder, _, name = place.rpartition(".")
    setattr(method.get_submodule(holder), name, frozen)
