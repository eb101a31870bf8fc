"""Runs for another machine, in parts that any medium carries: `python pipelines/pack.py RUN... -o FOLDER [--part-size 16M]`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gaitlab.command import understood
from gaitlab.guard import guarded
from gaitlab.runs.pack import pack, size_of


@dataclass(frozen=True)
class Arguments:
    """Write configs, figures, newest checkpoints and what no store has yet; on the other machine, `python pipelines/sync.py FOLDER`."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")]
    """Ids of runs; they may go on meanwhile."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
    """A new folder."""
    part_size: Annotated[str, tyro.conf.arg(metavar="SIZE")] = "16M"
    """No file is larger: bytes, or a number with K, M or G."""


def main() -> None:
    arguments = understood(lambda: tyro.cli(Arguments, description=__doc__))
    packed = pack(arguments.runs, arguments.out, part_size=size_of(arguments.part_size))
    runs, parts = len(set(arguments.runs)), packed.parts
    print(f"runs: {runs}, files: {packed.files}, {packed.size / 2**20:.1f} MiB in {parts} part{'s' * (parts > 1)} in {arguments.out}")
    print(f"take it in elsewhere with: python pipelines/sync.py {arguments.out}")


if __name__ == "__main__":
    guarded(main)
