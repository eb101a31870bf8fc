"""How good a network is in the midst of training: by a protocol on people set aside, or by its own loss on their walks."""

from gaitlab.data.feed import Feed, FeedMaker
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.training.batches import make_feed
from gaitlab.training.benchmark import score
from gaitlab.training.border import Run
from gaitlab.training.evaluating import evaluating
from gaitlab.training.loop import Validation, step_rng
from gaitlab.training.ready import Ready

HELD_OUT = 16
"""Batches of walks set aside that a loss is the mean of, where there are as many."""


def validation_of(ready: Ready, run: Run, blocks: FeedMaker | None = None) -> Validation | None:
    """None where the experiment has none."""
    experiment, chosen = ready.experiment, ready.validation
    if chosen is None:
        return None
    if chosen != "loss":
        return Validation(lambda network: score(experiment, network, ready.store, chosen, run))
    feed = make_feed(experiment, ready.training, run, blocks, split="validation")
    return Validation(lambda network: held_out_loss(experiment, network, feed, run), better=-1)


def held_out_loss(experiment: Experiment, network: Method, feed: Feed, run: Run) -> float:
    """Mean objective on the same batches with the same random numbers every time; on every rank the same."""
    batch = experiment.batch_size
    places = range(run.rank, batch, run.world)
    with evaluating(network):
        losses = [
            float(network.losses(feed.batch(i, run.device), step_rng(experiment.seed, i, places, run.device)).total())
            for i in range(min(HELD_OUT, -(-feed.walks // batch)))
        ]
    of_ranks = run.gather(sum(losses) / len(losses))
    return sum(of_ranks) / len(of_ranks)
