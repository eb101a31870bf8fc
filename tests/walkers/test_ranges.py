"""Range views against a loop over points, and what a picture of distances has to obey."""

import numpy as np
import pytest

from gaitlab.data.frames import align
from gaitlab.data.ranges import DEPTH, H_RES, V_RES, range_views


def person(seed: int = 0, n: int = 800) -> np.ndarray:
    """Points of an upright ellipsoid's near side, 8 m ahead."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((n, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    u[:, 0] = -np.abs(u[:, 0])
    return u * np.array([0.25, 0.3, 0.85]) + np.array([8.0, 0.2, -0.1])


def slow(points: np.ndarray, size: int = 64) -> np.ndarray:
    cells: dict[tuple[int, int], float] = {}
    level = np.hypot(points[:, 0], points[:, 1])
    for (x, y, z), far in zip(points, level, strict=True):
        row, column = int(np.floor(-np.degrees(np.arctan2(z, far)) / V_RES)), int(np.floor(-np.degrees(np.arctan2(y, x)) / H_RES))
        cells[row, column] = min(cells.get((row, column), np.inf), far)
    rows, columns = sorted(r for r, _ in cells), sorted(c for _, c in cells)
    high = rows[-1] - rows[0] + 1
    middle = next(c for c in range(columns[0], columns[-1] + 1) if 2 * sum(k <= c for k in columns) > len(columns))
    out = np.zeros((size, size), np.uint8)
    for i in range(size):
        for j in range(size):
            row = rows[0] + int((i + 0.5) * high / size)
            column = int(np.floor((j - size // 2) * high / size + 0.5)) + middle
            if (row, column) in cells:
                out[i, j] = np.clip(round(128 + 127 * (level.mean() - cells[row, column]) / DEPTH), 1, 255)
    return out


def test_views_are_those_of_a_slow_loop() -> None:
    clouds = [person(seed, n) for seed, n in ((0, 800), (1, 60), (2, 1))]
    offsets = np.cumsum([0] + [len(cloud) for cloud in clouds])
    fast = range_views(np.concatenate(clouds), offsets)
    for view, cloud in zip(fast, clouds, strict=True):
        assert (view != slow(cloud)).sum() <= 4


def test_nearer_is_brighter_and_the_body_fills_the_height() -> None:
    view = range_views(person(n=4000), np.array([0, 4000]))[0].astype(float)
    assert view.any(1).all()
    assert not view[:, 0].any()
    body = np.where(view > 0, view, np.nan)
    columns = np.flatnonzero((view > 0).sum(0) > 20)
    assert np.nanmean(body[24:40, 30:34]) > np.nanmean(body[24:40, columns[[0, -1]]]) + 20


def test_where_the_sensor_s_azimuth_begins_does_not_matter() -> None:
    cloud = person(n=3000)
    for degrees in (90.0, 180.0, 271.4):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned = np.stack([c * cloud[:, 0] - s * cloud[:, 1], s * cloud[:, 0] + c * cloud[:, 1], cloud[:, 2]], 1)
        one, other = (range_views(p, np.array([0, len(p)]), h_res=0.2)[0] for p in (cloud, turned))  # 1800 cells a turn
        assert (one != other).mean() < 0.001


def test_the_middle_is_where_the_pretreatment_of_silhouettes_puts_it() -> None:
    up, across = np.meshgrid(np.arange(-32, 32), np.arange(-3, 4), indexing="ij")
    east, high = np.radians((across.ravel() + 0.5) * H_RES), np.radians((up.ravel() + 0.5) * V_RES)
    cloud = 8.0 * np.stack([np.cos(east), np.sin(east), np.tan(high)], 1)
    view = range_views(cloud, np.array([0, len(cloud)]))[0]
    bar = np.zeros((64, 400), np.uint8)
    bar[:, 100:107] = 255
    silhouette = align(bar)
    assert silhouette is not None
    assert (np.flatnonzero(view.any(0)) == np.flatnonzero((silhouette > 127).any(0))).all()


def test_a_frame_without_points_is_black() -> None:
    views = range_views(person(), np.array([0, 0, 800, 800]))
    assert views.any((1, 2)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("points", "offsets", "message"),
    [
        (np.zeros((3, 2)), [0, 3], "n, 3"),
        (np.full((3, 3), np.nan), [0, 3], "finite"),
        (np.ones((3, 3)), [0, 2], "offsets"),
        (np.ones((3, 3)), 3, "offsets"),
        (np.ones((3, 3)), [0, 2, 1, 3], "offsets"),
    ],
)
def test_points_that_are_none_are_refused(points: np.ndarray, offsets: list[int] | int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        range_views(points, np.array(offsets))
    with pytest.raises(ValueError, match="h_res and v_res are above 0"):
        range_views(np.ones((3, 3)), np.array([0, 3]), h_res=0.0)
