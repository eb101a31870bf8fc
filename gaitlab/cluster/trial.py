"""What Tune runs: a trial, in a process of its own. It imports little, since every trial imports it anew."""

import contextlib
import os
import traceback
from collections.abc import Mapping

import torch
from filelock import FileLock
from ray import tune

from gaitlab.experiment import Experiment
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import read_config, read_outcome, run_folder
from gaitlab.tracking.runs import MlflowTracker
from gaitlab.training.fit import fit
from gaitlab.training.ready import prepare
from gaitlab.training.run import LocalRun

LOG, LOCK = "log.txt", "trial.lock"
"""What a trial prints, and what it holds as long as it lives, in its run's folder."""


def trial(config: dict[str, str], *, home: str, uri: str) -> None:
    """A trial's run from where it stands to its figures. Errors are told, not raised: raised, Tune would try again."""
    os.environ["GAITLAB_HOME"] = home
    folder = run_folder(config["run"])
    cause = ""
    with (folder / LOG).open("a", buffering=1) as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            alone = FileLock(folder / LOCK)  # a killed driver's trial may live on for some seconds
            alone.acquire()
            experiment, outcome = read_config(folder), read_outcome(folder)
            if outcome is None:
                _run(experiment, config, uri)
            else:  # killed with its figures in the folder, which the store may lack
                with MlflowTracker.start(
                    experiment, data_hash=config["data"], run_id=config["run"], uri=uri, system_metrics=False
                ) as tracker:
                    tracker.final(outcome.metrics)
        except Exception as error:  # noqa: BLE001  (one trial does not end the sweep)
            traceback.print_exc()
            cause = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
    tune.report({"ended": True, "cause": cause})


def _run(experiment: Experiment, config: Mapping[str, str], uri: str) -> None:
    run, folder = config["run"], run_folder(config["run"])
    ready = prepare(experiment, experiment.scale.workers, resume=bool(checkpoint.found(folder)))
    if experiment.scale.workers > 1:
        from ray.tune.integration.ray_train import TuneReportCallback

        from gaitlab.cluster.run import train_on_workers

        train_on_workers(ready, run_id=run, tracking_uri=uri, resume=True, callbacks=[TuneReportCallback()])
        return
    if not experiment.scale.gpus_per_worker:
        torch.set_num_threads(experiment.scale.cpus_per_worker)  # else each of several trials takes all cores: half the speed
    with MlflowTracker.start(experiment, data_hash=ready.store.hash, run_id=run, uri=uri) as tracker:
        fit(ready, _TuneRun(lambda: folder, keep=experiment.train.keep), tracker, resume=True)


class _TuneRun(LocalRun):
    """One process of whose evaluations Tune hears."""

    def evaluated(self, step: int, score: float) -> None:
        tune.report({"step": step, "validation": score})
