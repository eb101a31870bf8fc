"""How far a sweep is, in one line: done, running, failed, best so far, time left."""

import time
from collections.abc import Sequence

from gaitlab.sweeps.study import Trial
from gaitlab.sweeps.sweep import Sweep
from gaitlab.training.progress import clock


class Progress:
    """Prints a line whenever something has changed."""

    def __init__(self, sweep: Sweep, concurrency: int) -> None:
        self.sweep, self.concurrency = sweep, concurrency
        self._printed = 0.0
        self._line = ""

    def due(self) -> bool:
        """Whether nothing was printed for a minute."""
        return time.monotonic() - self._printed > 60

    def show(self, trials: Sequence[Trial], first: Sequence[str] = ()) -> None:
        """Print the line, if it is another one. first: what is being trained that trials stand on."""
        self._printed = time.monotonic()
        line = self.line(trials) + (f"; first {', '.join(first)}" if first else "")
        if line != self._line:
            print(line, flush=True)
            self._line = line

    def line(self, trials: Sequence[Trial]) -> str:
        """e.g. `cod2-levels: 4 of 12 done, 2 running, 1 failed; best 23.1 (both, seed 0); 0:14:20 left`."""
        by = {state: [t for t in trials if t.state == state] for state in ("COMPLETE", "PRUNED", "FAIL", "RUNNING")}
        total = len(trials) if self.sweep.rows else max(self.sweep.trials, len(trials))
        ended = len(by["COMPLETE"]) + len(by["PRUNED"]) + len(by["FAIL"])
        counts = f"{len(by['COMPLETE'])} of {total} done, {len(by['RUNNING'])} running"
        counts += "".join(f", {len(by[state])} {word}" for state, word in (("PRUNED", "stopped early"), ("FAIL", "failed")) if by[state])
        parts = [counts]
        goal = self.sweep.goals[0]
        scored = [t for t in by["COMPLETE"] if t.values]
        if scored:
            best = (max if goal.goal == "maximize" else min)(scored, key=lambda t: t.values[0])
            parts.append(
                f"best {best.values[0]:.1f} ({best.row}, seed {best.seed})"
                if best.row
                else f"best {best.values[0]:.1f} (trial {best.number})"
            )
        took = [t.seconds for t in by["COMPLETE"] + by["PRUNED"] if t.seconds > 1]
        if took and ended < total:
            parts.append(f"about {clock(sum(took) / len(took) * (total - ended) / self.concurrency)} left")
        return f"{self.sweep.name}: {'; '.join(parts)}"
