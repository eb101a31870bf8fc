"""Intervals: against a loop that draws runs and people one by one, against populations whose truth is known, and where little is there."""

import math

import numpy as np
import pytest

from gaitlab.reports.bootstrap import Estimate, Parts, draws, gain, mean, variances


def people(hits: np.ndarray, share: np.ndarray | None = None) -> Parts:
    """hits `[n]`, 0 to 1, of people who count alike unless `share` `[n]` says otherwise."""
    share = np.full(len(hits), 1 / len(hits)) if share is None else share / share.sum()
    return {f"p{i:03}": (float(s), float(s * h)) for i, (s, h) in enumerate(zip(share, hits, strict=True))}


def row(hits: np.ndarray, share: np.ndarray | None = None) -> dict[int, Parts]:
    """hits `[S, n]`; seeds are 0, 1, ..."""
    return {number: people(of, share) for number, of in enumerate(hits)}


def one_by_one(ours: dict[int, Parts], theirs: dict[int, Parts] | None, resamples: int, seed: int) -> tuple[float, float]:
    """2.5 and 97.5 % of the means of drawn runs, each of drawn people."""
    names = sorted(next(iter(ours.values())))
    numbers = [number for number in ours if theirs is None or number in theirs]
    means = []
    for of_identity, of_seed in zip(*draws(len(names), len(numbers), resamples, seed), strict=True):
        drawn = [name for name, times in zip(names, of_identity, strict=True) for _ in range(int(times))]
        runs = [number for number, times in zip(numbers, of_seed, strict=True) for _ in range(int(times))]
        score = {
            id(of): [100 * sum(of[number][name][1] for name in drawn) / sum(of[number][name][0] for name in drawn) for number in runs]
            for of in (ours, theirs)
            if of is not None
        }
        means.append(np.mean(score[id(ours)]) - (np.mean(score[id(theirs)]) if theirs is not None else 0))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def test_resamples_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    share = rng.uniform(0.2, 1, 20)
    ours, theirs = row(rng.uniform(0.5, 1, (3, 20)), share), row(rng.uniform(0.3, 0.8, (3, 20)), share)
    assert mean(ours, resamples=200, seed=4).percentiles == pytest.approx(one_by_one(ours, None, 200, 4))
    assert gain(ours, theirs, resamples=200, seed=4).percentiles == pytest.approx(one_by_one(ours, theirs, 200, 4))


def test_variances_are_those_of_a_loop() -> None:
    values = np.random.default_rng(2).normal(size=(4, 9)) + np.arange(9) + 3 * np.arange(4)[:, None]
    seeds, n = values.shape
    grand = sum(values[s, i] for s in range(seeds) for i in range(n)) / (seeds * n)
    of_seed = [sum(values[s]) / n for s in range(seeds)]
    of_identity = [sum(values[:, i]) / seeds for i in range(n)]
    a = seeds * sum((x - grand) ** 2 for x in of_identity) / (n - 1)
    b = n * sum((x - grand) ** 2 for x in of_seed) / (seeds - 1)
    e = sum((values[s, i] - of_seed[s] - of_identity[i] + grand) ** 2 for s in range(seeds) for i in range(n)) / ((n - 1) * (seeds - 1))
    free = ((a + b - e) / 36) ** 2 / ((a / 36) ** 2 / 8 + (b / 36) ** 2 / 3 + (e / 36) ** 2 / 24)
    assert variances(values) == pytest.approx(((a - e) / 36, (b - e) / 36, e / 36, free))


@pytest.mark.parametrize("seeds", [3, 8])
@pytest.mark.parametrize(
    ("by_identity", "by_seed", "by_both"),
    [(0.2, 0, 0.05), (0.05, 0.02, 0.05), (0.2, 0.01, 0.2), (0.05, 0.005, 0.2), (0, 0, 0.2)],
    ids=["identities", "seeds", "mixed", "a gain", "noise"],
)
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int, by_identity: float, by_seed: float, by_both: float) -> None:
    """Gaussian gains of drawn people and drawn seeds; 95 %, less what few seeds and 500 trials allow, more where only noise is."""
    rng, n, trials, truth = np.random.default_rng(seeds), 60, 500, 2.0
    estimates, theirs = [], row(np.full((seeds, n), 0.5))
    for _ in range(trials):
        hits = by_identity * rng.normal(size=n) + by_seed * rng.normal(size=(seeds, 1)) + by_both * rng.normal(size=(seeds, n))
        estimates.append(gain(row(0.5 + truth / 100 + hits), theirs, resamples=200))
    covered = np.mean([e.low <= truth <= e.high for e in estimates])
    assert 0.91 <= covered <= 1.0
    if by_identity:  # noise alone leaves nothing to tell that seeds do not differ
        assert covered <= 0.99
    expected = 100**2 * (by_identity**2 / n + by_seed**2 / seeds + by_both**2 / (seeds * n))
    assert np.var([e.value for e in estimates]) == pytest.approx(expected, rel=0.3)
    assert 0.8 * expected < np.mean([e.error**2 for e in estimates]) < 1.7 * expected  # above it where a part of 0 cannot come out negative


def test_parts_say_what_more_seeds_or_people_would_buy() -> None:
    e = Estimate(value=1, low=0, high=2, percentiles=(0, 2), n_identities=50, n_seeds=3, identities=0.04, seeds=0.09, both=0.03)
    assert e.error == pytest.approx(0.4)
    assert e.error_with(seeds=3) == pytest.approx(math.sqrt(0.04 + 0.03 + 0.01))
    assert e.error_with(identities=3) == pytest.approx(math.sqrt(0.04 / 3 + 0.09 + 0.01))
    assert e.error_with(seeds=math.inf) == pytest.approx(0.2)
    assert e.error_with(identities=math.inf) == pytest.approx(0.3)


def test_what_both_rows_share_cancels() -> None:
    rng = np.random.default_rng(3)
    hits = rng.uniform(0, 0.9, 40) + rng.normal(0, 0.02, (3, 1))
    ours, theirs = row(hits + 0.05), row(hits)
    assert mean(ours).error > 2
    paired = gain(ours, theirs)
    assert paired.error == pytest.approx(0, abs=1e-9)
    assert (paired.low, paired.value, paired.high) == pytest.approx((5, 5, 5))
    assert paired.certain


def test_one_seed_draws_identities_only_and_says_so() -> None:
    hits = np.random.default_rng(4).uniform(0, 1, (1, 50))
    alone = mean(row(hits))
    assert (alone.drawn, alone.n_seeds, alone.seeds) == ("identities only", 1, 0)
    assert alone.error == pytest.approx(100 * hits.std(ddof=1) / math.sqrt(50))
    assert alone.low < alone.value < alone.high


def test_one_identity_draws_seeds_only_and_one_number_has_no_interval() -> None:
    figures = np.array([[0.7], [0.72], [0.77]])
    e = mean(row(figures))
    assert (e.drawn, e.identities) == ("seeds only", 0)
    assert e.error == pytest.approx(100 * figures.std(ddof=1) / math.sqrt(3))
    assert e.high - e.low == pytest.approx(2 * 4.3027 * e.error, rel=1e-3)
    lone = mean(row(figures[:1]))
    assert lone.value == pytest.approx(70)
    assert lone.drawn == "nothing"
    assert math.isnan(lone.low)
    assert math.isnan(lone.error)
    assert not lone.certain


def test_seeds_are_paired_by_number() -> None:
    rng = np.random.default_rng(5)
    hits = rng.uniform(0, 1, (4, 30))
    ours, theirs = row(hits), row(hits * 0.9)
    fewer = gain({2: ours[2], 0: ours[0], 9: ours[1]}, theirs)
    assert fewer == gain({0: ours[0], 2: ours[2]}, theirs)
    assert (fewer.n_seeds, fewer.value) == (2, pytest.approx(10 * hits[[0, 2]].mean()))
    with pytest.raises(ValueError, match=r"no seed is in both rows \(\[1\] and \[0\]\); run them with the same seeds"):
        gain({1: ours[1]}, {0: theirs[0]})


def test_everyone_known_and_same_again() -> None:
    perfect = mean(row(np.ones((3, 20))))
    assert (perfect.low, perfect.value, perfect.high, perfect.error) == pytest.approx((100, 100, 100, 0))
    noisy = row(np.random.default_rng(6).uniform(0.8, 1, (3, 20)))
    assert mean(noisy) == mean(noisy)
    assert mean(noisy) != mean(noisy, seed=1)
    assert mean(noisy).high <= 100
