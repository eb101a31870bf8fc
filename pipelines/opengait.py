"""Your OpenGait runs here, and ours there.

python pipelines/opengait.py import CONFIG.yaml CHECKPOINT.pt --out mine [--root SHARDS]
python pipelines/opengait.py export RUN --out peer.pt
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from tyro.conf import Positional

from gaitlab.command import understood
from gaitlab.experiment import Benchmark
from gaitlab.guard import guarded
from gaitlab.help import fitted
from gaitlab.interop.opengait import export_state
from gaitlab.interop.opengait.runs import read_run, write_run
from gaitlab.runs.folder import run_folder, run_named
from gaitlab.tracking.runs import MlflowTracker
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained


@dataclass(frozen=True)
class Import:
    """A run folder of an OpenGait YAML and its checkpoint."""

    config: Positional[Path]
    """OpenGait's YAML."""
    checkpoint: Positional[Path]
    """Its .pt."""
    out: str = ""
    """New run: a plain name is put under $GAITLAB_HOME/runs, or a folder; not given, it is a run in MLflow with an id of its own."""
    root: str | None = None
    """Shards with its training people (those named as its data set if not given)."""


@dataclass(frozen=True)
class Export:
    """A checkpoint of our weights that OpenGait loads."""

    run: Positional[str]
    """Run id, or a folder with checkpoints."""
    out: Path
    """New file."""


def bring(arguments: Import) -> None:
    run = read_run(arguments.config, arguments.checkpoint, arguments.root)
    if arguments.out:
        plain = Path(arguments.out).name == arguments.out
        folder = run_folder(arguments.out) if plain else Path(arguments.out).absolute()
        name = f"{arguments.out if plain else folder} --no-tracking"
        write_run(run, folder)
    else:
        with MlflowTracker.start(run.experiment, data_hash=run.data_hash, system_metrics=False) as tracker:
            folder, name = tracker.folder, tracker.run_id
            write_run(run, folder)
    for note in run.notes:
        print(f"ignored: {note}")
    size = sum(p.numel() for p in run.method.parameters())
    print(f"{run.experiment.name}: step {run.step}, {len(run.subjects)} classes, {size:,} parameters, in {folder}")
    for test in run.experiment.benchmarks or (Benchmark(protocol="NAME"),):
        root = (test.data or run.experiment.data).root
        print(f"test it: {shlex.join(['python', 'pipelines/evaluate.py', str(folder), '--root', root, '--protocols', str(test.protocol)])}")
    if run.continuing:
        print(f"going on {run.continuing}")
    else:
        print(f"go on: python pipelines/local.py --resume {name}\nthe optimiser {run.optimiser}")


def give(arguments: Export) -> None:
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} is there already; name another --out")
    if not arguments.out.parent.is_dir():
        raise ValueError(f"there is no folder {arguments.out.parent}; make it, or name another --out")
    folder = run_named(arguments.run)
    experiment, method = trained(folder, LocalRun(lambda: folder, device=torch.device("cpu")))
    state = export_state(method)
    partial = arguments.out.with_name(f".{arguments.out.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save({"model": state}, file)
        partial.replace(arguments.out)
    except RuntimeError as error:  # torch's zip writer turns a full disk into a RuntimeError
        raise OSError(f"could not write {arguments.out}: {str(error).splitlines()[0]}; is the disk full?") from error
    finally:
        partial.unlink(missing_ok=True)
    print(f"{len(state)} entries of {experiment.name} in {arguments.out}; in OpenGait's YAML, restore_hint: {arguments.out}")


def main() -> None:
    commands: dict[str, Any] = {"import": Import, "export": Export}
    arguments = understood(
        lambda: tyro.extras.subcommand_cli_from_dict(commands, prog="pipelines/opengait.py", description=fitted(__doc__ or ""))
    )
    bring(arguments) if isinstance(arguments, Import) else give(arguments)


if __name__ == "__main__":
    guarded(main)
