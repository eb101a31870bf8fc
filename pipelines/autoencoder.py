"""The autoencoder whose latents diffusion works in: train one, or bring in the published one.

python pipelines/autoencoder.py                                    # on generated silhouettes, in minutes
python pipelines/autoencoder.py autoencoder-lab --data.root mine   # on other frames
python pipelines/autoencoder.py import FOLDER --out taesd          # TAESD's weights, as diffusers keeps them
"""

import sys
from dataclasses import dataclass

import numpy as np
import torch
import tyro
from tyro.conf import Positional

from experiments import ALL
from gaitlab.command import parse, understood
from gaitlab.config import plain_name
from gaitlab.data.clips import shows
from gaitlab.data.feed import whole_walks
from gaitlab.data.shards import open_data
from gaitlab.ensure import rank
from gaitlab.guard import guarded
from gaitlab.interop.first_checkpoint import first_checkpoint
from gaitlab.interop.taesd import HUB, read_autoencoder
from gaitlab.launch import local
from gaitlab.losses.overlap import overlap
from gaitlab.methods.autoencoder import Autoencoder, AutoencoderConfig
from gaitlab.runs.folder import run_folder
from gaitlab.training.optim import Optimisers
from gaitlab.training.run import LocalRun
from gaitlab.training.trained import trained

WALKS = 200
"""On which the overlap is measured, at most."""
EXPERIMENTS = {name: each for name, each in ALL.items() if isinstance(each.method, AutoencoderConfig)}


@dataclass(frozen=True)
class Import:
    """A run of an AutoencoderTiny that diffusers keeps."""

    source: Positional[str] = HUB
    """Folder, or repository of the hub."""
    out: str = "taesd"
    """Name of the new run."""
    sha256: str = ""
    """What the weights' checksum should be."""


def bring(arguments: Import) -> None:
    plain_name(arguments.out, "a run")
    folder = run_folder(arguments.out)
    experiment, method, found = read_autoencoder(arguments.source, arguments.sha256)
    first_checkpoint(folder, experiment, method, optimisers=Optimisers(experiment.optim, method, 0).state_dict())
    print(f"{sum(p.numel() for p in method.parameters()):,} parameters, sha256 {found}, in {folder}")
    print(f"pretrain in its latents: python pipelines/local.py PRETRAINING --init {arguments.out}")


def main() -> None:
    if sys.argv[1:2] == ["import"]:
        bring(understood(lambda: tyro.cli(Import, args=sys.argv[2:], prog="pipelines/autoencoder.py import")))
        return
    summary = parse(EXPERIMENTS, "autoencoder-lab", sys.argv[1:], __doc__ or "").launched(local)
    if not rank():  # under torchrun the first one says it
        share, walks = held_out_overlap(summary.run)
        print(f"overlap of frames with what comes back of them: {share:.3f} (of {walks} walks that it did not learn from)")


@torch.inference_mode()
def held_out_overlap(run: str) -> tuple[float, int]:
    """Mean intersection over union of walks that are not for training, and the number of these walks."""
    folder = run_folder(run)
    experiment, network = trained(folder, LocalRun(lambda: folder, device=torch.device("cpu")))
    assert isinstance(network, Autoencoder)
    network.eval()
    store, clips = open_data(experiment.data), experiment.method.test_clips()
    rows = np.flatnonzero((store.index["split"] != "train").to_numpy() & shows(store, clips))
    rows = np.random.default_rng(0).permutation(rows)[:WALKS]
    shares = []
    for row in rows:
        frames = whole_walks(store, np.array([row]), clips, torch.device("cpu")).clips["gait"][0]
        shares.append(float(overlap(network.pixels(network.latents(frames)) > 0.5, frames > 0.5)))
    return float(np.mean(shares)) if shares else float("nan"), len(shares)


if __name__ == "__main__":
    guarded(main)
