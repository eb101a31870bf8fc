"""Raw walks -> shards, and a critical look at either.

python pipelines/ingest.py opengait --root RAW --layout casia-b --partition CASIA-B.json --out casia-b
python pipelines/ingest.py frames   --root MASKS --out mine --test-ids 20
python pipelines/ingest.py mocap    --root walks.npz --out mocap
python pipelines/ingest.py walkers-standard --out walkers-standard
python pipelines/ingest.py walkers  --train-subjects 200 --out walkers-200
python pipelines/ingest.py check    casia-b
"""

import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional

from gaitlab.command import understood
from gaitlab.data.check import check
from gaitlab.data.ingest import ShardMap, ingest, processes
from gaitlab.data.sheet import SHEET
from gaitlab.data.source import SourceConfig
from gaitlab.data.sources.folders import FrameFolders
from gaitlab.data.sources.opengait import OpenGaitSource
from gaitlab.data.sources.tree import TreeSource
from gaitlab.guard import guarded
from gaitlab.help import fitted
from gaitlab.home import home
from gaitlab.walkers.mocap import MocapSource
from gaitlab.walkers.presets import PRESETS
from gaitlab.walkers.source import Generated


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the shards go and who makes them."""

    out: str
    """New folder; a plain name is put under $GAITLAB_HOME/data."""
    overwrite: bool = False
    """Replace the shards that lie there, once the new ones are whole."""
    workers: int = os.cpu_count() or 1
    """Processes on this machine."""
    ray: bool = False
    """Let Ray Data do it (RAY_ADDRESS, or a cluster of this machine); `out` must be on storage that all nodes share."""


def place(name: str) -> Path:
    """A path as it stands, a plain name under $GAITLAB_HOME/data."""
    path = Path(name).expanduser()
    return path.absolute() if path.is_absolute() or len(path.parts) > 1 else home() / "data" / path


def write(source: SourceConfig, target: Target) -> None:
    out = place(target.out)
    if isinstance(source, TreeSource) and out.is_relative_to(Path(source.root).expanduser().absolute()):
        raise ValueError(f"--out {out} lies in --root, among the raw walks; choose a folder elsewhere")
    if target.workers < 1:
        raise ValueError(f"--workers is 1 or more; not {target.workers}")
    run: ShardMap = processes(target.workers)
    if target.ray:
        from gaitlab.cluster.ingest import ray_map

        run = ray_map
    store = ingest(source, out, run=run, overwrite=target.overwrite)
    sizes = ", ".join(f"{m} {facts['frames']} frames" for m, facts in store.manifest["modalities"].items())
    size = sum(shard["bytes"] for shard in store.manifest["shards"])
    print(f"{store.manifest['walks']} walks ({sizes}; {size / 1e6:.1f} MB) in {store.root}")
    if (store.root / SHEET).exists():
        print(f"what a few walks were taken for: {store.root / SHEET}")


def opengait(source: FlagCreatePairsOff[OmitArgPrefixes[OpenGaitSource]], target: FlagCreatePairsOff[OmitArgPrefixes[Target]]) -> None:
    """ID/TYPE/VIEW/*.pkl and a partition file, as data sets are passed around."""
    write(source, target)


def frames(source: FlagCreatePairsOff[OmitArgPrefixes[FrameFolders]], target: FlagCreatePairsOff[OmitArgPrefixes[Target]]) -> None:
    """ID/TYPE/VIEW/*.png, masks of any size and kind; cropped, scaled and centred here."""
    write(source, target)


def mocap(source: OmitArgPrefixes[MocapSource], target: OmitArgPrefixes[Target]) -> None:
    """Recorded joints (.npz, or a folder of .asf and .amc) past the walkers' sensors."""
    write(source, target)


def generated(preset: Generated, name: str) -> Callable[..., None]:
    """A command that writes a preset of the embedded benchmark; its fields are the arguments' defaults."""
    kind = type(preset)

    def command(target: OmitArgPrefixes[Target], source: OmitArgPrefixes[kind] = preset) -> None:  # type: ignore[valid-type]
        write(source, target)

    people = preset.train_subjects + preset.validation_subjects + preset.test_subjects
    command.__name__, command.__doc__ = name, f"Generated people, {people:,} unless you say otherwise."
    return command


def check_command(
    path: Positional[str],
    layout: str = "plain",
    partition: str = "",
    use: Annotated[tuple[str, ...], tyro.conf.arg(help="e.g. silhouette=0 (see opengait)")] = (),
    invert: FlagCreatePairsOff[bool] = False,
    label: tuple[str, ...] = (),
    frames_last: FlagCreatePairsOff[bool] = False,
) -> None:
    """Report what is wrong with shards, or with raw ID/TYPE/VIEW/*.pkl or *.png; exit status 1 if anything is.

    path: folder, or a name under $GAITLAB_HOME/data. layout, partition, invert, label, frames_last: of raw data, as in `opengait`
    and `frames`.
    """
    folder = path if Path(path).exists() else place(path)
    found = check(folder, layout=layout, partition=partition, use=use, invert=invert, label=label, frames_last=frames_last)
    print(found.text())
    if found.problems:
        sys.exit(1)


def later(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """The same arguments, but a call only returns what is to be done."""

    @wraps(command)
    def postponed(*arguments: Any, **named: Any) -> Callable[[], None]:
        return partial(command, *arguments, **named)

    return postponed


def main() -> None:
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    commands: dict[str, Callable[..., None]] = {
        "opengait": opengait,
        "frames": frames,
        "mocap": mocap,
        **{name: generated(preset, name) for name, preset in PRESETS.items()},
        "check": check_command,
    }
    chosen = {name: later(command) for name, command in commands.items()}
    understood(lambda: tyro.extras.subcommand_cli_from_dict(chosen, prog="pipelines/ingest.py", description=fitted(__doc__ or "")))()


if __name__ == "__main__":
    guarded(main)
