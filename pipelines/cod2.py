"""CoD2 against its own recogniser: both are trained, at equal steps, and end in one table.

`python pipelines/cod2.py [experiment] [--field.path value ...]`: here, or on Ray where RAY_ADDRESS is set, as it is in
`ray job submit --address URL --working-dir . -- python pipelines/cod2.py`. The baseline, NAME-baseline, is the same experiment without
the denoiser. After Ctrl-C, a crash or kill -9 the same command goes on: what is trained is not trained again. People who walk past the
generated ones' sensors are a second test where there is a recording: $GAITLAB_MOCAP (an npz of joints, or a folder of .asf and .amc).
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from experiments import ALL
from gaitlab.command import parse
from gaitlab.data.shards import DataConfig
from gaitlab.ensure import rank
from gaitlab.experiment import Benchmark, Experiment
from gaitlab.guard import guarded
from gaitlab.home import home
from gaitlab.launch import here_or_on_ray
from gaitlab.methods.cod2 import CoD2Config
from gaitlab.reports.ladder import ladder
from gaitlab.reports.table import markdown
from gaitlab.runs.summary import Summary
from gaitlab.tracking import mlflow_store
from gaitlab.walkers.mocap import MocapSource

DEFAULT = "cod2-demo"
EXPERIMENTS = {name: experiment for name, experiment in ALL.items() if isinstance(experiment.method, CoD2Config)}
RECORDING = Path(os.environ.get("GAITLAB_MOCAP") or Path(__file__).parents[2] / "shared" / "data" / "cmu_walks.npz")


def main() -> None:
    command = parse(EXPERIMENTS, DEFAULT, sys.argv[1:], __doc__ or "")
    experiment, resume = command.experiment, command.resume
    if not isinstance(experiment.method, CoD2Config):  # of the run that was named
        raise ValueError(f"run {resume} is the baseline of a pair; give the pair's own command again, and it goes on")  # noqa: TRY004
    if resume is None:
        experiment = with_recording(experiment)
    halves = {"baseline": baseline_of(experiment), "CoD²": experiment}
    ended = {
        row: here_or_on_ray(half, resume=resume if half is experiment else None, tracking=command.tracking, fresh=command.fresh)
        for row, half in halves.items()
    }
    if rank():  # under torchrun the first one knows the figures
        return
    print(f"\n{together(ended['baseline'], ended['CoD²'], experiment.name).text()}\n\n{gains(ended)}\n")
    if command.tracking:
        print(how_to_open([summary.run for summary in ended.values()]), flush=True)


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


def gains(ended: Mapping[str, Summary]) -> str:
    """What the network gains over the classical rows in the first test, and CoD2 over the network, with intervals."""
    baseline, cod2 = ended["baseline"], ended["CoD²"]
    if not baseline.tests:
        return ""
    test = baseline.tests[0]
    classical = {name.partition("/")[2]: parts for name, parts in baseline.subjects.items() if name.startswith(f"{test}/")}
    return markdown(ladder(test, {**classical, "baseline": baseline.subjects[test], "CoD²": cod2.subjects[test]}))


def how_to_open(runs: list[str]) -> str:
    """What to type, and the page that shows the runs side by side."""
    uri = mlflow_store.absolute(mlflow_store.default_uri())
    if any(run.startswith("offline-") for run in runs):
        return (
            f"the store {mlflow_store.without_password(uri)} did not answer; the figures of {' and '.join(runs)} lie in {home() / 'runs'}"
        )
    try:
        family = mlflow_store.open_store(uri).get_run(runs[0]).info.experiment_id
    except Exception:  # noqa: BLE001  (whatever a store says that has them not, the table is made)
        return f"the store {mlflow_store.without_password(uri)} does not have {' and '.join(runs)}; they lie in {home() / 'runs'}"
    page = f"#/compare-runs?runs={quote(json.dumps(runs))}&experiments={quote(json.dumps([family]))}"
    return f"look at both with: {mlflow_store.page_of(uri, page)}"


if __name__ == "__main__":
    guarded(main)
