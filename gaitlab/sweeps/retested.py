"""The runs of an ablation tested again on other people, without training: test people cost seconds, seeds minutes or days."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gaitlab.data.shards import DataConfig, open_data
from gaitlab.evaluation.protocols import protocol
from gaitlab.runs.folder import read_outcome, run_folder, write_outcome
from gaitlab.runs.summary import Summary
from gaitlab.sweeps.study import Study
from gaitlab.sweeps.sweep import Sweep
from gaitlab.tracking.runs import NoTracker
from gaitlab.training.fit import retest
from gaitlab.training.run import LocalRun


@dataclass(frozen=True)
class Retested:
    """Other figures of the same runs. on: the data's name. figures: run -> what it came to there."""

    on: str
    figures: Mapping[str, Summary]


def retested(sweep: Sweep, study: Study, data: DataConfig) -> Retested:
    """Test every finished trial of the sweep on `data`, by the protocols of its base; what was tested there before is read.

    The figures lie in each run's folder, under the data's name and hash. ValueError where a protocol lacks walks.
    """
    store = open_data(data)
    protocols = [protocol(test.protocol, test.distance) for test in sweep.base.benchmarks if test.data is None]
    if not protocols:
        raise ValueError(f"sweep {sweep.name} is tested on other data than it trains on only; its runs are tested by pipelines/evaluate.py")
    finished = [trial for trial in study.trials() if trial.state == "COMPLETE" and trial.row in sweep.rows and trial.seed in sweep.seeds]
    figures: dict[str, Summary] = {}
    for i, trial in enumerate(finished, 1):
        folder = run_folder(trial.run)
        place = folder / "tested" / f"{store.root.name}-{store.hash[:12]}"
        outcome = read_outcome(place)
        if outcome is None:
            print(f"{i} of {len(finished)}: {trial.row}, seed {trial.seed}", flush=True)
            outcome = retest(folder, LocalRun(partial(Path, place)), NoTracker(), data=data, protocols=protocols)
            write_outcome(place, outcome)
        figures[trial.run] = outcome
    return Retested(Path(data.root).name, figures)
