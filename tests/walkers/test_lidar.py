"""Beams against a slow ray marcher, points against the surface they lie on."""

import numpy as np
import pytest

from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.sensors.lidar import Lidar, scan
from tests.walkers.bodies import body

QUIET = Lidar(noise=0.0, dropout=0.0)


def surface(p: np.ndarray, ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Signed distance of points `[n, 3]` to the union of capsules `[c, 2, 3]`, `[c, 2]`: least distance to balls along each axis."""
    shares = np.linspace(0, 1, 1001)
    out = np.full(len(p), np.inf)
    for (a, b), (ra, rb) in zip(ends, radii, strict=True):
        along = a + shares[:, None] * (b - a)
        for i in range(len(p)):
            out[i] = min(out[i], (np.linalg.norm(p[i] - along, axis=1) - (ra + shares * (rb - ra))).min())
    return out


def march(u: np.ndarray, ends: np.ndarray, radii: np.ndarray) -> float:
    """Distance along the unit vector u from the origin to the union; inf when it misses."""
    far = 0.0
    for _ in range(200):
        step = surface((far * u)[None], ends, radii)[0]
        if step < 1e-6:
            return far
        far += step
        if far > 30:
            break
    return np.inf


def test_every_point_lies_on_the_body_and_no_beam_is_missed() -> None:
    lidar, people = Lidar(noise=0.0, dropout=0.0, h_res=1.0, v_res=1.1, distance=5.0, azimuth=30.0), body(0, frames=2)
    points, offsets = scan(people, lidar, np.random.default_rng(0))
    for t in range(2):
        ends = lidar.seen_from(people.ends[t])
        here = points[offsets[t] : offsets[t + 1]].astype(np.float64)
        assert np.abs(surface(here, ends, people.radii)).max() < 1e-3
        hits = []
        for up in np.radians(np.arange(-25 + 0.55, 15, 1.1)):
            for east in np.radians(np.arange(-20.5, 21, 1.0)):
                u = np.array([np.cos(up) * np.cos(east), np.cos(up) * np.sin(east), np.sin(up)])
                apart = np.linalg.norm(np.cross(ends.reshape(-1, 3), u), axis=1).min()
                if apart < 1.0 and np.isfinite(far := march(u, ends, people.radii)):
                    hits.append(far * u)
        assert abs(len(hits) - len(here)) <= 1  # a beam may graze
        nearest = [np.linalg.norm(here - hit, axis=1).min() for hit in hits]
        assert np.sort(nearest)[:-1].max() < 2e-3


def test_noise_lies_along_the_beam_and_dropout_takes_its_share() -> None:
    people = body(1, frames=30)
    exact, offsets = scan(people, QUIET, np.random.default_rng(0))
    noisy, same = scan(people, Lidar(noise=0.03, dropout=0.0), np.random.default_rng(0))
    assert (offsets == same).all()
    far, shift = np.linalg.norm(exact, axis=1), np.linalg.norm(noisy, axis=1) - np.linalg.norm(exact, axis=1)
    assert np.std(shift) == pytest.approx(0.03, rel=0.05)
    assert np.abs(noisy / np.linalg.norm(noisy, axis=1, keepdims=True) - exact / far[:, None]).max() < 1e-5
    fewer, _ = scan(people, Lidar(noise=0.0, dropout=0.2), np.random.default_rng(0))
    assert len(fewer) / len(exact) == pytest.approx(0.8, abs=0.02)


def test_what_stands_before_the_person_takes_the_beam() -> None:
    people = body(2)
    wall = Capsules(np.tile(np.array([[[[0.0, 2.0, -3.0], [0.0, 2.0, 0.5]]]]), (3, 1, 1, 1)), np.array([[0.5, 0.5]]), ("wall",))
    behind = Capsules(wall.ends * np.array([1, -1, 1]), wall.radii, wall.parts)
    free, hidden, unchanged = (scan(people, QUIET, np.random.default_rng(0), occluder=o)[0] for o in (None, wall, behind))
    assert 0 < len(hidden) < len(free)
    assert (unchanged == free).all()
    assert hidden[:, 2].min() > free[:, 2].min()


def test_the_azimuth_turns_the_scene() -> None:
    people = body(3)
    c, s = np.cos(np.radians(60)), np.sin(np.radians(60))
    x, y, z = np.moveaxis(people.ends, -1, 0)
    turned = Capsules(np.stack([c * x - s * y, s * x + c * y, z], -1), people.radii, people.parts)
    one, _ = scan(people, Lidar(azimuth=20, noise=0, dropout=0), np.random.default_rng(0))
    other, _ = scan(turned, Lidar(azimuth=80, noise=0, dropout=0), np.random.default_rng(0))
    assert np.abs(one - other).max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": 0.5}, "2 m or more"),
        ({"distance": float("nan")}, "2 m or more"),
        ({"azimuth": float("nan")}, "azimuth .* are numbers"),
        ({"noise": float("nan")}, "noise is 0 m or more"),
        ({"v_fov": (5.0, 5.0)}, "lowest, highest"),
        ({"h_res": 0.0}, "above 0"),
        ({"dropout": 1.0}, "below 1"),
    ],
)
def test_impossible_sensors_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lidar(**change)
