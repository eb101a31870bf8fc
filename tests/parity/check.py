"""One comparison with a golden, and a golden's verdict."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Check:
    name: str
    error: float
    """Largest relative error."""
    tolerance: float

    @property
    def passed(self) -> bool:
        return bool(self.error <= self.tolerance)  # NaN fails


@dataclass
class Verdict:
    """All checks of one golden; `broken` says why it could not be run."""

    golden: str
    checks: list[Check] = field(default_factory=list)
    broken: str = ""

    def compare(self, name: str, ours: ArrayLike, golden: ArrayLike, tolerance: float) -> None:
        """Largest difference relative to the golden's largest magnitude."""
        a, b = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
        error = float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-12)) if a.shape == b.shape else float("inf")
        self.checks.append(Check(name, error, tolerance))

    @property
    def passed(self) -> bool:
        return bool(self.checks) and not self.broken and all(check.passed for check in self.checks)

    @property
    def line(self) -> str:
        if self.broken:
            return f"FAIL  {self.golden}: {self.broken}"
        if not self.checks:
            return f"FAIL  {self.golden}: nothing was checked"
        largest = max(self.checks, key=lambda check: check.error)
        text = f"{self.golden}: {len(self.checks)} checks, largest relative error {largest.error:.1e} ({largest.name})"
        failed = [f"{check.name} {check.error:.1e} > {check.tolerance:.0e}" for check in self.checks if not check.passed]
        if failed:
            return f"FAIL  {text}; failed: {', '.join(failed)}"
        nearest = max(self.checks, key=lambda check: check.error / check.tolerance)
        return f"pass  {text}; nearest to its tolerance: {nearest.name} {nearest.error:.1e} of {nearest.tolerance:.0e}"
