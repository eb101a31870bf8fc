"""How certain a mean rank-1 over seeds is, and a gain: identities and seeds are both drawn anew, crossed, and the gain's rows together.

`S` seeds, `n` identities, `B` resamples. A run is subject -> (share, hits) of its headline (`evaluation.averages.Averages.subjects`);
with an identity drawn `w` times its rank-1 is `100 sum(w hits) / sum(w share)`. All runs see the same identities, and a gain's two rows
the same seeds, so what is easy for both, or lucky for both, cancels.

Percentiles of such resamples are right for many seeds only: with three, they hold the truth in 86 % of cases where seeds decide, and in
99 % where nothing but their interplay with identities does (why: Owen, Annals of Applied Statistics 1, 2007). So the interval has the
shape of the percentiles and the width of two-way random effects, `2 t error`, with Student's `t` at Satterthwaite's degrees of freedom.
Its coverage is 93 to 99 % from three seeds on (`tests/reports/test_bootstrap.py`), and 88 to 98 % with two.

Who goes on with more seeds until the error is small stops where it happens to look small, and intervals of that kind hold the truth too
seldom (90 % in a simulation of 3 seeds or more). So what one seed adds is the largest that it was at any of the `looks`, and one seed's
more: then it is 94 to 98 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]

Parts = Mapping[str, tuple[float, float]]
"""Subject -> (share, hits)."""

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """value: percent, or points. low, high: its 95 % interval. percentiles: the same as drawn, without the width's correction.

    n_identities, n_seeds: drawn from; where one of them is 1, only the other is drawn, and the interval is blind to it. NaN if both are.
    identities, seeds, both: what identities, seeds, and seeds that differ in whom they know add to error² (points²).
    """

    value: float
    low: float
    high: float
    percentiles: tuple[float, float]
    n_identities: int
    n_seeds: int
    identities: float
    seeds: float
    both: float

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(self.identities + self.seeds + self.both)

    @property
    def certain(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low > 0 or self.high < 0

    @property
    def drawn(self) -> str:
        """What the interval covers."""
        names = [name for name, n in (("identities", self.n_identities), ("seeds", self.n_seeds)) if n > 1]
        return " and ".join(names) or "nothing" if len(names) != 1 else f"{names[0]} only"

    def error_with(self, *, identities: float = 1.0, seeds: float = 1.0) -> float:
        """The standard error to expect of so many times the identities and seeds; `math.inf` leaves only the other's part."""
        return math.sqrt(self.identities / identities + self.seeds / seeds + self.both / (identities * seeds))


def mean(row: Mapping[int, Parts], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Rank-1 of a row, percent: the mean over its seeds (seed -> run), each with all identities."""
    return _estimate([_sums([row[number] for number in sorted(row)], _subjects(row))], resamples, seed)


def gain(
    row: Mapping[int, Parts], baseline: Mapping[int, Parts], *, looks: Sequence[int] = (), resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Rank-1 of a row minus that of its baseline, points, over the seeds that both have. ValueError if they share none.

    looks: of the first so many seeds one has looked at the error already, to go on if it was too large.
    """
    paired = sorted(row.keys() & baseline.keys())
    if not paired:
        raise ValueError(f"no seed is in both rows ({sorted(row)} and {sorted(baseline)}); run them with the same seeds")
    subjects = _subjects(row, baseline)
    return _estimate([_sums([runs[number] for number in paired], subjects) for runs in (row, baseline)], resamples, seed, looks)


def draws(identities: int, seeds: int, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each identity `[B, n]` and each seed `[B, S]` is drawn: n of n and S of S, with replacement."""
    rng = np.random.default_rng(seed)
    return _counts(rng, identities, resamples), _counts(rng, seeds, resamples)


def variances(values: np.ndarray) -> tuple[float, float, float, float]:
    """What identities, seeds and both add to the variance of the mean of `[S, n]`, and its degrees of freedom.

    Two-way random effects without repetition: mean squares are solved for the components; negative ones are 0, so where seeds do not
    differ the sum is too large rather than too small. Of one seed, or one identity, the only part there is. Degrees of freedom:
    Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    seeds, n = values.shape
    if n == 1 and seeds == 1:
        return math.nan, math.nan, math.nan, math.nan
    grand, by_seed, by_identity = values.mean(), values.mean(1), values.mean(0)
    if seeds == 1:
        return float(by_identity.var(ddof=1)) / n, 0.0, 0.0, n - 1
    if n == 1:
        return 0.0, float(by_seed.var(ddof=1)) / seeds, 0.0, seeds - 1
    rest = values - by_seed[:, None] - by_identity + grand
    free = {"identities": n - 1, "seeds": seeds - 1, "both": (n - 1) * (seeds - 1)}
    squares = {"identities": by_identity.var(ddof=1) / n, "seeds": by_seed.var(ddof=1) / seeds, "both": (rest**2).sum() / free["both"]}
    squares["both"] /= n * seeds  # of the mean, like the other two
    parts = [max(0.0, float(squares[name] - squares["both"])) for name in ("identities", "seeds")] + [float(squares["both"])]
    spread = sum(square**2 / free[name] for name, square in squares.items())
    return parts[0], parts[1], parts[2], max(1.0, sum(parts) ** 2 / spread) if spread > 0 else math.inf


def _estimate(rows: Sequence[tuple[np.ndarray, np.ndarray]], resamples: int, seed: int, looks: Sequence[int] = ()) -> Estimate:
    """Of one row's shares and hits `[S, n]`, or of a row's minus its baseline's."""
    seeds, n = rows[0][0].shape
    of_identity, of_seed = draws(n, seeds, resamples, seed)
    resampled, values = np.zeros((resamples, seeds)), np.zeros((seeds, n))
    for sign, (share, hits) in zip((1, -1), rows, strict=False):
        rank1 = hits.sum(1) / share.sum(1)
        total = of_identity @ share.T  # B S
        drawn = np.divide(of_identity @ hits.T, total, out=np.broadcast_to(rank1, total.shape).copy(), where=total > 0)
        resampled += sign * 100 * drawn
        linear = rank1[:, None] + n * (hits - rank1[:, None] * share) / share.sum(1, keepdims=True)  # S n, a ratio's linear part
        values += sign * 100 * linear
    means = (resampled * of_seed).sum(1) / seeds
    value = float(values.mean())
    identities, of_seeds, both, freedom = variances(values)
    if looks and seeds > 1:
        of_one = [look * sum(variances(values[:look])[1:3]) for look in {*looks, seeds} if 1 < look <= seeds]
        of_seeds = max(of_one) * (1 + 1 / seeds) / seeds - both
    low, high = (float(q) for q in np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    width = 2 * float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(identities + of_seeds + both)
    below, above = max(0.0, value - low), max(0.0, high - value)
    stretch = width / (below + above) if below + above > 0 else math.nan if math.isnan(width) else 0.0
    edges = (value - stretch * below, value + stretch * above)
    if len(rows) == 1 and not math.isnan(width):
        edges = (max(0.0, edges[0]), min(100.0, edges[1]))
    return Estimate(
        value=value,
        low=edges[0],
        high=edges[1],
        percentiles=(low, high),
        n_identities=n,
        n_seeds=seeds,
        identities=identities,
        seeds=of_seeds,
        both=both,
    )


def _subjects(*rows: Mapping[int, Parts]) -> list[str]:
    """All of them, in one order."""
    return sorted({subject for row in rows for run in row.values() for subject in run})


def _sums(runs: Sequence[Parts], subjects: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Shares and hits, each `[S, n]`; 0 for whom a run did not see."""
    parts = np.array([[run.get(subject, (0.0, 0.0)) for subject in subjects] for run in runs], dtype=np.float64)
    return parts[..., 0], parts[..., 1]


def _counts(rng: np.random.Generator, n: int, resamples: int) -> np.ndarray:
    drawn = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)
