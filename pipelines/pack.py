"""Runs for another machine, in parts that any medium carries: `python pipelines/pack.py NAME... -o FOLDER [--part-size 16M]`."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gaitlab.command import understood
from gaitlab.guard import guarded
from gaitlab.runs.pack import size_of
from gaitlab.sweeps.packing import pack_named


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


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    part_size = size_of(arguments.part_size)
    runs, packed = pack_named(arguments.names, arguments.out, storage=arguments.storage, part_size=part_size)
    parts = packed.parts
    print(f"runs: {len(runs)}, files: {packed.files}, {packed.size / 2**20:.1f} MiB in {parts} part{'s' * (parts > 1)} in {arguments.out}")
    print(f"take it in elsewhere with: python pipelines/sync.py {shlex.quote(str(arguments.out))}")


if __name__ == "__main__":
    guarded(main)
