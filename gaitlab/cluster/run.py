"""The same run on Ray Train's workers: placement, checkpoints in Ray's storage, restart after a crash.

A run's name in Ray is its MLflow run id. Ray resumes by name, so a new run always trains from the start and
`--resume RUN_ID` goes on from the newest checkpoint that was reported.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch

from gaitlab.cluster.connect import start_ray
from gaitlab.cluster.feed import RayFeed
from gaitlab.cluster.ingest import ray_map
from gaitlab.cluster.scratch import scratch
from gaitlab.data.ingest import ShardMap
from gaitlab.ensure import AnyTracker
from gaitlab.experiment import Experiment
from gaitlab.home import home
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import run_folder
from gaitlab.runs.summary import Summary
from gaitlab.training.ready import Ready
from gaitlab.training.run import LocalRun


class RayRun(LocalRun):
    """One worker of a Ray Train group, which has made the process group already.

    shared: the run's folder in $GAITLAB_HOME, where Ray keeps its checkpoints too unless `scale.storage` says otherwise.
    scratch: where they are written first.
    scored: steps that were the best when they were saved go before all others, else the newest is the best.
    """

    def __init__(self, shared: Path, scratch: Path, *, keep: int = 2, scored: bool = False) -> None:
        self._shared, self._scored = shared, scored
        super().__init__(lambda: scratch, keep=keep, device=ray.train.torch.get_device())
        context = ray.train.get_context()
        self.rank, self.world = context.get_world_rank(), context.get_world_size()

    @property
    def results(self) -> Path:
        return self._shared

    def save(self, state: dict[str, Any], step: int, metrics: dict[str, float], best: int | None) -> None:
        """Report the checkpoint to Ray (rank 0's file); Ray keeps the newest and the best."""
        # Not the rank-1 itself: of equal ones Ray keeps the last, the loop the first.
        score = float(step) if step == best or not self._scored else float("-inf")
        told = {name: value for name, value in metrics.items() if name != "validation"} | {"step": step, "score": score}
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            file = None
            if self.rank == 0:
                checkpoint.write(checkpoint.step_path(Path(folder), step), state)
                file = ray.train.Checkpoint.from_directory(folder)
            ray.train.report(told, checkpoint=file, checkpoint_dir_name=f"step-{step:08d}")

    def evaluated(self, step: int, score: float) -> None:
        """Tell Ray, and by it Tune."""
        ray.train.report({"step": step, "validation": score})

    def load(self, step: int | None = None) -> dict[str, Any] | None:
        """The newest reported checkpoint, or that of `step`."""
        newest, own = ray.train.get_checkpoint(), checkpoint.found(self._shared)
        if step is None:
            rays = int(Path(newest.path).name.removeprefix("step-")) if newest else -1
            if max(own, default=-1) >= rays:
                return checkpoint.newest(self._shared)
        elif step in own:
            return checkpoint.at(self._shared, step)
        else:
            reported = [r.checkpoint for r in ray.train.get_all_reported_checkpoints() if r.metrics["step"] == step]
            if not reported:
                raise ValueError(f"Ray no longer keeps the checkpoint of step {step}; raise --train.keep")
            newest = reported[-1]
        if newest is None:
            return None
        with newest.as_directory() as folder:
            return checkpoint.newest(Path(folder))


class OnRay:
    """Where `ensure` has runs trained: on Ray's workers. callbacks: of Ray Train's run, e.g. one that tells Tune what is reported."""

    def __init__(self, callbacks: Sequence[Any] = ()) -> None:
        self.ingest: ShardMap | None = ray_map
        self._callbacks = callbacks

    def processes(self, experiment: Experiment) -> int:
        return experiment.scale.workers

    def train(self, ready: Ready, tracker: AnyTracker, *, resume: bool) -> Summary:
        if resume and (state := checkpoint.newest(run_folder(tracker.run_id))):
            checkpoint.check_same(state, ready.experiment, ready.training.hash, "the run's checkpoint")
        return train_on_workers(ready, run_id=tracker.run_id, tracking_uri=tracker.uri, resume=resume, callbacks=self._callbacks)


def train_on_workers(ready: Ready, *, run_id: str, tracking_uri: str | None, resume: bool, callbacks: Sequence[Any] = ()) -> Summary:
    """Train and test on Ray's workers; returns what `fit` returned on rank 0.

    callbacks: of Ray Train's run, e.g. one that tells Tune what is reported.
    Starts a cluster on this machine if there is none to join. Raises ray.train.WorkerGroupError after `scale.max_failures`.
    """
    experiment = ready.experiment
    scale = experiment.scale
    start_ray()
    runs = home() / "runs"
    storage = scale.storage if scale.storage and "://" in scale.storage else str(Path(scale.storage or runs).expanduser().absolute())
    splits = ("train", "validation") if ready.validation == "loss" else ("train",)
    blocks = RayFeed.load(ready.training, experiment.method.clips(), splits) if experiment.data.feed == "ray" else None
    trainer = ray.train.torch.TorchTrainer(
        _worker,  # type: ignore[arg-type]
        train_loop_config={
            "ready": ready, "run_id": run_id, "tracking_uri": tracking_uri, "resume": resume, "home": str(home()), "blocks": blocks,
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=scale.workers,
            use_gpu=scale.gpus_per_worker > 0,
            resources_per_worker={"CPU": scale.cpus_per_worker} | ({"GPU": scale.gpus_per_worker} if scale.gpus_per_worker else {}),
        ),
        run_config=ray.train.RunConfig(  # type: ignore[call-arg]  # declared as the older one
            name=run_id,
            storage_path=storage,
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=experiment.train.keep, checkpoint_score_attribute="score", checkpoint_score_order="max"
            ),
            logging_config=ray.train.LoggingConfig(log_level="WARNING"),
            failure_config=ray.train.FailureConfig(max_failures=scale.max_failures),
            callbacks=list(callbacks),
        ),
    )  # fmt: skip
    try:
        result: Any = trainer.fit()  # Ray declares the older Result, without return_value
    except ray.train.WorkerGroupError as error:
        for failure in error.worker_failures.values():
            cause = getattr(failure, "_base_exc", failure)
            if isinstance(cause, (ValueError, FloatingPointError)):
                raise cause from None
        raise
    return result.return_value


def _worker(config: dict[str, Any]) -> Summary:
    """What each worker runs: the very `fit` of a local run."""
    os.environ["GAITLAB_HOME"] = config["home"]
    from gaitlab.tracking.runs import MlflowTracker, NoTracker
    from gaitlab.training.fit import fit

    ready: Ready = config["ready"]
    experiment, run_id, uri = ready.experiment, config["run_id"], config["tracking_uri"]
    restarted = ray.train.get_checkpoint() is not None
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        run = RayRun(run_folder(run_id), folder, keep=experiment.train.keep, scored=ready.validation is not None)
        tracker: AnyTracker = NoTracker(run_id)
        if uri is not None and run.rank == 0:
            tracker = stack.enter_context(MlflowTracker.start(experiment, data_hash=ready.training.hash, run_id=run_id, uri=uri))
        return fit(ready, run, tracker, resume=config["resume"] or restarted, blocks=config["blocks"])
