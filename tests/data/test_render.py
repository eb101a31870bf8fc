"""The renderer against a dense union of discs, and against a large picture through the pretreatment of real frames."""

import numpy as np
import pytest

from gaitlab.data.frames import align
from gaitlab.data.sources.render import Camera, Capsules, Noise, canvas, silhouettes, spans
from gaitlab.data.sources.walkers.body import capsules
from gaitlab.data.sources.walkers.people import event

CLEAN = Noise(edge=0, hole=0, limb=0)


def walker(subject: str = "test00001", conditions: tuple[str, ...] = ()) -> Capsules:
    moment = event(0, subject, "1", conditions, "1", (12, 12), 25.0)
    return capsules(moment.joints, moment.figure)


def still() -> np.random.Generator:
    return np.random.default_rng(0)


def union_of_discs(x: np.ndarray, y: np.ndarray, r: np.ndarray, size: int) -> np.ndarray:
    """bool `[size, size]`: pixels inside any of 2,000 discs between the two ends `[2]`."""
    row, column = np.mgrid[:size, :size] + 0.5
    inside = np.zeros((size, size), bool)
    for s in np.linspace(0, 1, 2000):
        cx, cy, cr = (a[0] * (1 - s) + a[1] * s for a in (x, y, r))
        inside |= (column - cx) ** 2 + (row - cy) ** 2 < cr**2
    return inside


CORNER_CASES = [
    ((10, 30), (20, 20), (5, 5)),  # level
    ((20, 20), (8, 30), (4, 7)),  # upright
    ((10, 30), (20, 20), (9, 2)),  # level and tapered
    ((20, 24), (20, 21), (12, 3)),  # one disc inside the other
    ((20, 20), (20, 20), (6, 6)),  # a ball
    ((3, 37), (36, 2), (0.6, 0.6)),  # a thread
    ((-10, 20), (20, 60), (6, 9)),  # partly out of sight
]


@pytest.mark.parametrize(("x", "y", "r"), CORNER_CASES)
def test_spans_equal_a_union_of_discs(x: tuple[float, float], y: tuple[float, float], r: tuple[float, float]) -> None:
    left, right = spans(*(np.array([[pair]], np.float32) for pair in (x, y, r)), 40)[:, 0, 0]
    column = np.arange(40) + 0.5
    drawn = (column >= left[:, None]) & (column < right[:, None])
    expected = union_of_discs(*(np.array(pair, float) for pair in (x, y, r)), 40)
    assert (drawn != expected).sum() <= 4


def test_random_spans_equal_a_union_of_discs() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        x, y, r = rng.uniform(0, 40, 2), rng.uniform(0, 40, 2), rng.uniform(1, 9, 2)
        left, right = spans(*(np.array([[pair]], np.float32) for pair in (x, y, r)), 40)[:, 0, 0]
        column = np.arange(40) + 0.5
        drawn = (column >= left[:, None]) & (column < right[:, None])
        assert (drawn != union_of_discs(x, y, r, 40)).sum() <= 4


@pytest.mark.parametrize("azimuth", [0, 36, 90, 162])
@pytest.mark.parametrize("conditions", [(), ("bag",), ("clothing",)])
def test_fast_road_equals_picture_and_pretreatment(azimuth: float, conditions: tuple[str, ...]) -> None:
    """Pixel borders fall elsewhere in the two, so the median column may differ by one and thin limbs by half their width."""
    body = walker(conditions=conditions)
    fast = silhouettes(body, Camera(azimuth=azimuth), CLEAN, still()) > 0
    raw = canvas(body, Camera(azimuth=azimuth, focal=1000, width=560, height=320))
    slow = np.stack([np.asarray(align(frame)) > 127 for frame in raw])
    shifted = np.stack([np.roll(fast, by, axis=2) for by in (-1, 0, 1)])
    overlap = ((shifted & slow).sum((2, 3)) / (shifted | slow).sum((2, 3))).max(0)
    assert overlap.mean() > 0.9
    assert overlap.min() > 0.8


def test_silhouettes_are_binary_cropped_and_centred() -> None:
    seen = silhouettes(walker(), Camera(azimuth=54), CLEAN, still())
    assert seen.shape == (12, 64, 64)
    assert seen.dtype == np.uint8
    assert set(np.unique(seen)) == {0, 255}
    assert (seen[:, [0, -1]] > 0).any(2).all()
    mass = (seen > 0).sum(1).cumsum(1)
    assert ((mass > mass[:, -1:] / 2).argmax(1) == 32).all()


def test_camera_stands_where_its_azimuth_says() -> None:
    ahead, left = np.array([1.0, 0.0, 0.85]), np.array([0.0, 1.0, 0.85])
    front, side = Camera(azimuth=0, elevation=0), Camera(azimuth=90, elevation=0)
    assert front.project(ahead)[2] == pytest.approx(6.0)
    assert front.project(left)[0] > 0  # a walker's left is on the viewer's right
    assert side.project(left)[2] == pytest.approx(6.0)
    assert side.project(ahead)[0] < 0
    above = Camera(azimuth=0, elevation=30)
    assert above.project(np.array([0.0, 0.0, 1.8]))[1] < 0 < above.project(np.array([0.0, 0.0, 0.0]))[1]


def test_size_and_place_leave_no_trace() -> None:
    body = walker()
    far = Capsules(body.ends * 1.3, body.radii * 1.3, body.parts)
    camera = Camera(azimuth=90, distance=7, aim=0.85)
    scaled = Camera(azimuth=90, distance=7 * 1.3, aim=0.85 * 1.3)
    assert (silhouettes(body, camera, CLEAN, still()) != silhouettes(far, scaled, CLEAN, still())).mean() < 1e-3


def test_noise_grows_with_its_strength_and_depends_on_its_rng_only() -> None:
    body, camera = walker(), Camera()
    clean = silhouettes(body, camera, CLEAN, still())
    flips = [(silhouettes(body, camera, Noise(limb=0).scaled(k), still()) != clean).mean() for k in (0.0, 0.5, 1.0, 2.0)]
    assert flips[0] == 0
    assert flips == sorted(flips)
    assert 0.002 < flips[2] < 0.05
    assert (silhouettes(body, camera, Noise(), still()) == silhouettes(body, camera, Noise(), still())).all()
    assert (silhouettes(body, camera, Noise(), still()) != silhouettes(body, camera, Noise(), np.random.default_rng(1))).any()


def test_lost_limbs_come_back() -> None:
    body, camera = walker(), Camera()
    clean = silhouettes(body, camera, CLEAN, still())
    for seed in range(5):
        differs = (silhouettes(body, camera, Noise(edge=0, hole=0, limb=1), np.random.default_rng(seed)) != clean).any((1, 2))
        assert differs.sum() <= 6


def test_impossible_cameras_and_noise_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 2 m or more"):
        Camera(distance=0.5)
    with pytest.raises(ValueError, match="move the camera away"):
        Camera(distance=2.0, azimuth=0).project(np.array([2.5, 0.0, 1.0]))
    with pytest.raises(ValueError, match=r"noise\.edge"):
        Noise(edge=1.5)
