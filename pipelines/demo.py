"""`make demo`: GaitBase, reduced, from nothing to a table: walkers are generated, a network learns them and is tested on people
it has never seen, across views and eight conditions, and on recorded people where there is a recording.

Takes the arguments of `pipelines/local.py`. $GAITLAB_MOCAP names the recording (an npz of joints, or a folder of .asf and .amc).
"""

import os
from dataclasses import replace
from pathlib import Path

from experiments import ALL
from gaitlab.command import Command, main
from gaitlab.data.sources.mocap import MocapSource
from gaitlab.experiment import Benchmark, DataConfig
from gaitlab.launch import local

RECORDING = Path(os.environ.get("GAITLAB_MOCAP") or Path(__file__).parents[2] / "shared" / "data" / "cmu_walks.npz")


def demo(command: Command) -> None:
    """The experiment, with the recorded walkers as a second benchmark if they are there."""
    experiment = command.experiment
    if RECORDING.exists() and not command.resume:
        recorded = MocapSource(root=str(RECORDING.resolve()), modalities=("silhouette",))
        test = Benchmark(protocol="mocap", data=DataConfig(root="demo-recorded", make=recorded))
        experiment = replace(experiment, benchmarks=(*experiment.benchmarks, test))
    local(replace(command, experiment=experiment))


if __name__ == "__main__":
    main(ALL, "demo", demo, __doc__ or "")
