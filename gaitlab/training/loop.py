"""The training loop, the only one: any method, any feed, any run.

Step s draws batch s and the random numbers of (seed, s); nothing else is random, so that a run is decided by its config.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from gaitlab.config import to_dict
from gaitlab.data.feed import Feed
from gaitlab.experiment import Experiment
from gaitlab.method import Method
from gaitlab.rng import Rng
from gaitlab.runs import checkpoint
from gaitlab.runs.changes import changes, note_change
from gaitlab.training import accumulate
from gaitlab.training.border import Run, Tracker
from gaitlab.training.interrupt import Interrupted, stop_flag
from gaitlab.training.looks import look
from gaitlab.training.optim import Optimisers, moving_average
from gaitlab.training.precision import native_bfloat16, remark, resolved
from gaitlab.training.progress import Steps
from gaitlab.training.trained import copy, freeze, record, recorded, sources
from gaitlab.types import Batch, Losses


@dataclass
class Best:
    """The evaluation to beat; higher is better."""

    step: int = 0
    score: float = float("-inf")


@dataclass(frozen=True)
class Validation:
    """measure: network -> a number, on every rank. better: 1 if it is to rise (percent), -1 if it is to fall (a loss)."""

    measure: Callable[[Method], float]
    better: int = 1

    def text(self, score: float) -> str:
        """Of a number times `better`."""
        return f"{score:.1f}" if self.better > 0 else f"{-score:.4g}"

    def best(self, best: Best) -> str:
        """ "" before the first evaluation."""
        return f"best {self.text(best.score)} at step {best.step}" if best.step else ""


def train(
    experiment: Experiment,
    method: Method,
    feed: Feed,
    run: Run,
    tracker: Tracker,
    *,
    data_hash: str,
    validation: Validation | None = None,
    walks_to_look_at: Callable[[], Batch] | None = None,
    resume: bool = False,
) -> Method:
    """Train `method` to the end of the experiment and return the network to test: the best, else the last (averaged if EMA is on).

    validation: asked every `evaluate_every` steps. walks_to_look_at: the batch of `Method.look`; the step's own if None.
    Raises Interrupted after Ctrl-C (resumable), FloatingPointError when losses stay non-finite, ValueError when the
    checkpoint to resume is of another config, but for the fields that may be others from here on (`runs.changes`).
    """
    config, device = experiment.train, run.device
    state = run.load() if resume else None
    others = [] if state is None else checkpoint.check_same(state, experiment, data_hash, "the run's checkpoint")
    taken = sources(experiment) if state is None else recorded(state)
    if state is None:
        copy(method, experiment.init, taken, run)
    freeze(method, experiment.init, taken, run)
    if run.rank == 0:
        size = sum(p.numel() for p in method.parameters())
        print(f"{size:,} parameters, {run.world} x {device.type}, {config.steps} steps of {experiment.batch_size} walks", flush=True)
    module = run.wrap(method if config.accumulate == 1 else accumulate.CachedMethod(method))  # type: ignore[arg-type]
    ratios = {place: t.lr_ratio for t in experiment.init if t.lr_ratio not in (0, 1) for place in t.parts.values()}
    optimisers = Optimisers(experiment.optim, method, config.steps, ratios)
    averaged = moving_average(method, experiment.optim.ema) if experiment.optim.ema else None
    tested: Method = averaged.module if averaged else method  # type: ignore[assignment]
    native = all(run.gather(native_bfloat16(device)))
    kept = None if state is None or any(field.startswith("train.precision:") for field in others) else state.get("precision")
    precision = kept or resolved(config.precision, native)
    if run.rank == 0 and (said := remark(config.precision, precision, native)):
        print(said, flush=True)
        tracker.text("precision.txt", said)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    autocast = torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")
    best, start = Best(), 0
    recent: list[dict[str, Tensor]] = []  # since the last point of the curves

    if resume and state is None and run.rank == 0:
        print("the run has no checkpoint yet, so it starts from its first step", flush=True)
    if state is not None:
        checkpoint.restore(method, state["method"], "the run's checkpoint")
        optimisers.load_state_dict(state["optimisers"])
        if state["scaler"] or not scaler.is_enabled():
            scaler.load_state_dict(state["scaler"])
        if averaged:
            averaged.load_state_dict(state["averaged"])
        start, best = state["step"], Best(**state["best"])
        recent = [{k: torch.tensor(v, device=device) for k, v in of.items()} for of in state.get("recent", ())]
        if others and run.rank == 0:
            note_change(run.results, start, others)
            lines = changes(run.results)
            print(f"{lines[-1]}; so the run is of neither config", flush=True)
            tracker.text("changes.txt", "\n".join(lines))
        del state  # else its copy of everything would stay for the whole run
    if len(starts := set(run.gather(start))) > 1:
        raise ValueError(f"the workers found checkpoints of different steps ({starts}); let GAITLAB_HOME be a folder that all nodes share")

    def save(step: int, metrics: dict[str, float]) -> None:
        content: dict[str, Any] = {
            "step": step,
            "seed": experiment.seed,
            "precision": precision,
            "method": method.state_dict(),
            "optimisers": optimisers.state_dict(),
            "scaler": scaler.state_dict(),
            "averaged": averaged.state_dict() if averaged else None,
            "best": vars(best),
            "config": json.dumps(to_dict(experiment)),
            "data_hash": data_hash,
            "subjects": list(feed.subjects),
            "sources": record(taken),
            "recent": _steps_over_ranks(run.gather([{k: float(v) for k, v in of.items()} for of in recent])),
        }
        tracker.flush()  # a resumed run goes on behind this step, so its curves must reach it
        run.save(content, step, metrics, best.step or None)

    guard = FiniteGuard(method, config.max_bad_steps)
    looks = config.look_every and run.rank == 0 and type(method).look is not Method.look
    bar = Steps(experiment.name, start, config.steps, per_step=experiment.batch_size, quiet=run.rank > 0)
    bar.best = validation.best(best) if validation else ""
    due = False
    with bar, stop_flag() as stop:
        module.train()
        for step, batch in enumerate(feed.batches(start, config.steps, device), start):
            rate = optimisers.set_rate(step)
            rng = step_rng(experiment.seed, step, range(run.rank, experiment.batch_size, run.world), device)
            guard.before()
            if config.accumulate == 1:
                with autocast:
                    losses: Losses = module(batch, rng)
                total = losses.total()
                scaler.scale(total).backward()
            else:
                losses = accumulate.backward(module, batch, rng, config.accumulate, autocast, float(scaler.get_scale()))
                scaler.scale(torch.zeros((), device=device))  # creates the scaler's state
            for optimiser in optimisers.all:
                scaler.unscale_(optimiser)
            norm = optimisers.grad_norm()
            if guard.good(norm, losses, step, lambda bad: _advice(experiment, run, bad)):
                for optimiser in optimisers.all:
                    scaler.step(optimiser)
                if averaged:
                    averaged.update_parameters(method)
            scaler.update()
            optimisers.zero_grad()
            recent.append({k: v.detach() for k, v in {**losses.terms, **losses.watch}.items()} | {"grad_norm": norm.detach()})

            done = step + 1
            bar.advance(done)
            metrics: dict[str, float] = {}
            logs = done % config.log_every == 0 or done == config.steps
            evaluates = validation is not None and config.evaluate_every and (done % config.evaluate_every == 0 or done == config.steps)
            shown, evaluated = {}, ""
            if logs or evaluates:
                own = {k: float(torch.stack([r[k].float() for r in recent]).nanmean()) for k in recent[-1]}
                means = _over_ranks(run.gather(own))
                means["loss"] = sum(means[k] for k in losses.terms)
                shown = {k: means[k] for k in ("loss", *losses.terms, *losses.watch)}
                speed = bar.rate(done, anew=logs)
                if logs:
                    metrics = means | {"lr": rate, "steps_per_second": speed, "skipped_steps": float(guard.skipped)}
                    recent.clear()
            if validation and evaluates:
                measured = run.gather(validation.measure(tested))[0]  # the last bits may differ between machines, the decision must not
                module.train()
                metrics["validation"], score = measured, measured * validation.better
                if score > best.score and not guard.in_a_row:
                    best = Best(done, score)
                bar.best = validation.best(best)
                evaluated = f"validation {validation.text(score)}, {bar.best}".rstrip(", ")
                if done < config.steps:
                    run.evaluated(done, score)
            if shown:
                bar.show(done, shown, speed, evaluated)
            if metrics and run.rank == 0:
                tracker.log(done, metrics)
            if looks and (done % config.look_every == 0 or done == config.steps):
                look(method, walks_to_look_at() if walks_to_look_at else batch, experiment.seed, done, tracker)
            asked = _any_rank(stop.is_set(), run)
            due = due or done % config.checkpoint_every == 0 or best.step == done
            if ((due or asked) and not guard.in_a_row) or done == config.steps:  # what may have diverged replaces nothing
                save(done, metrics)
                due = False
            if asked and done < config.steps:
                raise Interrupted(done)

    if best.step and best.step != config.steps:
        chosen = run.load(best.step)
        assert chosen is not None
        method.load_state_dict(chosen["method"])
        if averaged:
            averaged.load_state_dict(chosen["averaged"])
    return tested


def step_rng(seed: int, step: int, places: Sequence[int], device: torch.device) -> Rng:
    """The random numbers of one step for walks at these places of the batch; torch's global generator is set alike on all ranks."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return Rng(seed, step, places, device)


class FiniteGuard:
    """Skips steps whose gradient is not finite, and takes back what they did to batch norm's running statistics."""

    def __init__(self, method: Method, patience: int) -> None:
        self.buffers = [b for b in method.buffers() if b.is_floating_point()]
        self.copies = [b.clone() for b in self.buffers]
        self.patience, self.in_a_row, self.skipped = patience, 0, 0

    def before(self) -> None:
        if self.buffers:
            torch._foreach_copy_(self.copies, self.buffers)

    def good(self, norm: Tensor, losses: Losses, step: int, advice: Callable[[int], str]) -> bool:
        """Whether to take the step. The norm is that of the averaged gradients, so all ranks agree.

        FloatingPointError when patience is over; advice: number of the first bad step -> what to do.
        """
        if torch.isfinite(norm):
            self.in_a_row = 0
            return True
        if self.buffers:
            torch._foreach_copy_(self.buffers, self.copies)
        self.in_a_row += 1
        self.skipped += 1
        if self.in_a_row > self.patience:
            terms = ", ".join(f"{k} {v.item():.4g}" for k, v in losses.terms.items())
            raise FloatingPointError(
                f"{self.in_a_row} steps in a row had no finite gradient, the last one step {step} ({terms}); "
                f"{advice(step + 1 - self.in_a_row)}"
            )
        return False


def _advice(experiment: Experiment, run: Run, bad: int) -> str:
    """What to do about gradients that are not finite from step `bad` (0-based) on, in words that work."""
    rate, clip = experiment.optim.lr / 10, "" if experiment.optim.clip_norm else " --optim.clip-norm 10"
    calmer = "" if experiment.train.precision == "float32" else ", or --train.precision float32"
    there = checkpoint.found(run.results)
    good = [step for step in there if step < bad]
    if not good:
        return f"there is no checkpoint from before; begin anew with a lower rate (--optim.lr {rate:g}{clip} --optim.warmup 1000){calmer}"
    spoilt = "".join(f"delete {path}, whose weights gave the first of them; " for step, path in there.items() if step >= bad)
    return (
        f"{spoilt}the checkpoint of step {max(good)} is from before; go on from there with a lower rate "
        f"(--resume {run.results.name} --optim.lr {rate:g}{clip}){calmer}, or begin anew, also with --optim.warmup 1000"
    )


def _over_ranks(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the ranks that have a number; a term that every rank computes whole stays what it is."""
    if len(metrics) == 1:
        return dict(metrics[0])
    return {name: float(torch.tensor([of[name] for of in metrics], dtype=torch.float64).nanmean()) for name in metrics[0]}


def _steps_over_ranks(steps: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """The same of every step that ranks have in mind."""
    return [_over_ranks(of) for of in zip(*steps, strict=True)]


def _any_rank(flag: bool, run: Run) -> bool:
    if run.world == 1:
        return flag
    word = torch.tensor(float(flag), device=run.device)
    dist.all_reduce(word, dist.ReduceOp.MAX)
    return bool(word)
