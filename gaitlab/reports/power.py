"""How many seeds a wished standard error of the gains takes, and whether they are there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gaitlab.reports.ablation import AblationResult
from gaitlab.reports.bootstrap import Estimate


@dataclass(frozen=True, kw_only=True)
class Power:
    """wanted: standard error, points. gains: row -> its gain as it is known. seeds: that all of them have."""

    wanted: float
    gains: Mapping[str, Estimate]
    seeds: int

    @classmethod
    def of(cls, result: AblationResult, wanted: float) -> "Power":
        """ValueError if no row has a baseline, so that there is no gain."""
        gains = {row.row: row.gain for row in result.rows if row.gain is not None}
        if not gains:
            raise ValueError(f"sweep {result.name} has no gain whose error could be {wanted:g}: none of its rows has a baseline")
        return cls(wanted=wanted, gains=gains, seeds=min(gain.n_seeds for gain in gains.values()))

    @property
    def reached(self) -> bool:
        """With two seeds or more: one tells nothing about others."""
        return self.seeds > 1 and all(gain.error <= self.wanted for gain in self.gains.values())

    def needed(self, row: str, people: float = 1.0) -> float:
        """Seeds that the row's gain is expected to take, with so many times the people; inf where no number of seeds is enough."""
        gain = self.gains[row]
        left = self.wanted**2 - gain.identities / people
        return math.inf if left <= 0 else gain.n_seeds * (gain.seeds + gain.both / people) / left

    def text(self) -> str:
        """What is known, and what it will take; for people."""
        worst = max(self.gains, key=lambda row: self.gains[row].error)
        gain = self.gains[worst]
        now = f"after {self.seeds} seeds the standard error of {worst}'s gain is {gain.error:.2f} points"
        if self.reached:
            return f"{now}, the largest: {self.wanted:g} is reached"
        if self.seeds < 2:
            return f"{now}, of people only; two seeds tell more"
        ways = []
        for people in (1, 2, 4, 8):
            needed = max(self.needed(row, people) for row in self.gains)
            if math.isfinite(needed):
                ways.append(f"{max(self.seeds, math.ceil(needed))} seeds" + (f" and {people} times the people" if people > 1 else ""))
        return f"{now}; {self.wanted:g} takes about {', or '.join(ways) or 'more than 8 times the people'}"
