"""CoD2 against its own recogniser: both are trained, at equal steps, and end in one table.

`python pipelines/cod2.py [experiment] [--field.path value ...]`: here, or on Ray where RAY_ADDRESS is set, as it is in
`ray job submit --address URL --working-dir . -- python pipelines/cod2.py`. The baseline, NAME-baseline, is the same experiment without
the denoiser. After Ctrl-C, a crash or kill -9, `--resume last` (or the id of either run) goes on with the newest pair of the experiment,
with its own fields: what is trained is not trained again, only tested. People who walk past the generated ones' sensors are a second
test where there is a recording: $GAITLAB_MOCAP (an npz of joints, or a folder of .asf and .amc).
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from experiments import ALL
from gaitlab.command import Command, parse
from gaitlab.data.shards import DataConfig
from gaitlab.experiment import Benchmark, Experiment
from gaitlab.guard import guarded
from gaitlab.home import home
from gaitlab.launch import local, on_ray
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.runs.folder import CONFIG, keep_config, newest_run, read_config, run_to_resume
from gaitlab.runs.summary import Summary
from gaitlab.tracking import mlflow_store
from gaitlab.walkers.mocap import MocapSource

DEFAULT = "cod2-demo"
EXPERIMENTS = {name: experiment for name, experiment in ALL.items() if isinstance(experiment.method, CoD2Config)}
RECORDING = Path(os.environ.get("GAITLAB_MOCAP") or Path(__file__).parents[2] / "shared" / "data" / "cmu_walks.npz")


def main() -> None:
    command, resume = understand(sys.argv[1:])
    experiment = command.experiment if resume else with_recording(command.experiment)
    halves = (baseline_of(experiment), experiment)
    first = os.environ.get("RANK", "0") == "0"
    if not resume and first:
        (pair(experiment.name) / CONFIG).unlink(missing_ok=True)
        keep_config(experiment, pair(experiment.name))
    begun = runs_of(halves) if resume else {}
    if resume not in (None, "last", *begun.values()):
        raise ValueError(f"run {resume} is of an older pair; go on with it alone: python pipelines/local.py --resume {resume}")
    launch = on_ray if os.environ.get("RAY_ADDRESS") else local
    baseline, cod2 = (launch(half, resume=begun.get(half.name), tracking=command.tracking) for half in halves)
    if first:
        print(f"\n{together(baseline, cod2, experiment.name).text()}")
        if np.isfinite(gain := cod2.headline - baseline.headline):
            print(f"gain over the baseline {gain:+.1f} points")
        if command.tracking:
            print(f"\n{how_to_open(list(runs_of(halves).values()))}", flush=True)


def understand(arguments: Sequence[str]) -> tuple[Command, str | None]:
    """The command, and what --resume says. A pair that goes on has the fields it began with, and those that are typed again."""
    flag = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flag.add_argument("--resume", nargs="?", const="")
    known, rest = flag.parse_known_args(arguments)
    resume, about = known.resume, __doc__ or ""
    if resume is None:
        return parse(EXPERIMENTS, DEFAULT, rest, about), None
    name = rest[0] if rest and not rest[0].startswith("-") else DEFAULT
    if resume != "last":
        name = read_config(home() / "runs" / run_to_resume(resume, name)).name.removesuffix("-baseline")
    if not (pair(name) / CONFIG).exists():
        raise ValueError(f"no pair of {name!r} in {pair(name).parent} to resume; --resume last goes with the experiment's name")
    return parse({**EXPERIMENTS, name: read_config(pair(name))}, name, rest, about), resume


def with_recording(experiment: Experiment) -> Experiment:
    """Recorded walkers as one more benchmark of an experiment on generated ones, if they are there."""
    if experiment.data.make is None or not RECORDING.exists():
        return experiment
    recorded = MocapSource(root=str(RECORDING.resolve()), modalities=("silhouette",))
    test = Benchmark(protocol="mocap", data=DataConfig(root="demo-recorded", make=recorded))
    return replace(experiment, benchmarks=(*experiment.benchmarks, test))


def baseline_of(experiment: Experiment) -> Experiment:
    """The same experiment of the recogniser alone."""
    return replace(experiment, name=f"{experiment.name}-baseline", method=experiment.method.recogniser_config())


def pair(name: str) -> Path:
    """Folder with the config of the newest pair of an experiment; runs of that name which began later are the pair's."""
    return home() / "pairs" / name


def runs_of(halves: Sequence[Experiment]) -> dict[str, str]:
    """Name -> id of the newest run, for those of the pair that have begun."""
    since = (pair(halves[-1].name) / CONFIG).stat().st_mtime_ns
    return {half.name: run for half in halves if (run := newest_run(half.name, since))}


def together(baseline: Summary, cod2: Summary, name: str) -> Summary:
    """One table of both: chance and the classical rows once, then the two networks."""

    def rows(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
        if ours.empty:
            return ours
        both = pd.concat([theirs, ours[ours.index.get_level_values(1) == name]])
        both = both.rename(index={f"{name}-baseline": "baseline", name: "CoD²"}, level=1)
        tests = both.index.get_level_values(0)
        return pd.concat([both[tests == test] for test in tests.unique()])

    files = (*baseline.files, *cod2.files)
    return replace(cod2, rank1=rows(cod2.rank1, baseline.rank1), classes=rows(cod2.classes, baseline.classes), files=files)


def how_to_open(runs: Sequence[str]) -> str:
    """What to type, and the page that shows the runs side by side."""
    uri = mlflow_store.absolute(mlflow_store.default_uri())
    if any(run.startswith("offline-") for run in runs):
        return (
            f"the store {mlflow_store.without_password(uri)} did not answer; the figures of {' and '.join(runs)} lie in {home() / 'runs'}"
        )
    family = mlflow_store.open_store(uri).get_run(runs[0]).info.experiment_id
    page = f"#/compare-runs?runs={quote(json.dumps(runs))}&experiments={quote(json.dumps([family]))}"
    return f"look at both with: {mlflow_store.page_of(uri, page)}"


if __name__ == "__main__":
    guarded(main)
