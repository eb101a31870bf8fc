"""Spinning LiDAR: beams against capsules -> points of the person, frame by frame.

The sensor turns about a vertical axis and sends one beam per grid cell, like the 128-beam scanner of SUSTech1K (Shen et al., CVPR 2023).
A whole scan is taken at one instant, so the motion of a body within a turn is left out.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from gaitlab.data.ranges import H_RES, V_RES
from gaitlab.walkers.sensors.camera import outlines
from gaitlab.walkers.sensors.capsules import Capsules


@dataclass(frozen=True, kw_only=True)
class Lidar:
    """Stands at `azimuth` degrees (0: before the walker, 90: at the left) and `distance` metres from the origin, `height` m above the
    floor. h_res, v_res: degrees between beams. v_fov: lowest and highest beam, degrees. noise: SD of a range, metres. dropout: share of
    beams that do not come back."""

    azimuth: float = 90.0
    distance: float = 8.0
    height: float = 1.1
    h_res: float = H_RES
    v_res: float = V_RES
    v_fov: tuple[float, float] = (-25.0, 15.0)
    noise: float = 0.015
    dropout: float = 0.03

    def __post_init__(self) -> None:
        if not 2.0 <= self.distance < np.inf:
            raise ValueError(f"lidar.distance is {self.distance} m; a walker needs 2 m or more")
        if not (np.isfinite(self.azimuth) and np.isfinite(self.height)):
            raise ValueError(f"lidar.azimuth (degrees) and height (m) are numbers; they are {self.azimuth} and {self.height}")
        if not (self.h_res > 0 and self.v_res > 0 and -90 <= self.v_fov[0] < self.v_fov[1] <= 90):
            raise ValueError("lidar.h_res and v_res are above 0, v_fov is (lowest, highest) in degrees")
        if not 0 <= self.noise < np.inf or not 0 <= self.dropout < 1:
            raise ValueError("lidar.noise is 0 m or more and dropout a share below 1")

    def seen_from(self, points: np.ndarray) -> np.ndarray:
        """Points `[..., 3]` m of the walk in the sensor's axes: x towards the origin of the walk, y left, z up, the sensor at 0."""
        turn = np.radians(self.azimuth)
        c, s = round(float(np.cos(turn)), 9), round(float(np.sin(turn)), 9)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        return np.stack([self.distance - (x * c + y * s), x * s - y * c, z - self.height], -1)


def scan(body: Capsules, lidar: Lidar, rng: np.random.Generator, *, occluder: Capsules | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Points of the person in the sensor's axes, float32 `[n, 3]` m, and where each frame's begin, int64 `[t + 1]`.

    A beam that meets `occluder` first gives no point: what a detector cuts out is the person.
    """
    ends = np.ascontiguousarray(lidar.seen_from(body.ends))
    if ends[..., 0].min() < 0.5:
        raise ValueError(f"a walker comes within 0.5 m of the LiDAR; give shorter walks or move it away (now {lidar.distance} m)")
    things, thickness = ends[:, :0], body.radii[:0]
    if occluder is not None:
        things, thickness = np.ascontiguousarray(lidar.seen_from(occluder.ends)), occluder.radii
    grid = (lidar.h_res, lidar.v_res, *lidar.v_fov)
    beams, far, offsets = _hits(ends, body.radii, things, thickness, grid)
    lost = rng.random(len(far), dtype=np.float32) < lidar.dropout
    far += lidar.noise * rng.standard_normal(len(far), dtype=np.float32)
    points = (far[:, None] * beams).astype(np.float32)
    return points[~lost], offsets - np.concatenate([[0], np.cumsum(lost)])[offsets]


@njit(cache=True)
def _hits(ends, radii, things, thickness, grid):  # type: ignore[no-untyped-def]
    """Unit vectors of the beams that meet the body `[n, 3]`, how far away [n], and where each frame's begin [t + 1]."""
    frames = len(ends)
    h_res, v_res = np.radians(grid[0]), np.radians(grid[1])
    lowest, all_rows = np.radians(grid[2]), round((grid[3] - grid[2]) / grid[1])
    windows = np.empty((frames, 4), np.int64)  # first column, first row, columns, rows
    cells = 0
    for t in range(frames):
        left, right, low, top = 1e9, -1e9, 1e9, -1e9
        for c in range(ends.shape[1]):
            for e in range(2):
                east, up, wide = _angles(ends[t, c, e], radii[c, e])
                left, right, low, top = min(left, east - wide), max(right, east + wide), min(low, up - wide), max(top, up + wide)
        column, row = int(np.floor(left / h_res)), max(0, int(np.floor((low - lowest) / v_res)))
        windows[t] = column, row, int(np.ceil(right / h_res)) - column, max(0, min(all_rows, int(np.ceil((top - lowest) / v_res))) - row)
        cells += windows[t, 2] * windows[t, 3]
    beams, far, offsets = np.empty((cells, 3)), np.empty(cells), np.zeros(frames + 1, np.int64)
    count = 0
    for t in range(frames):
        column, row, columns, rows = windows[t]
        east = (column + np.arange(columns) + 0.5) * h_res
        up = (row + np.arange(rows) + 0.5) * v_res + lowest
        ce, se, cu, su = np.cos(east), np.sin(east), np.cos(up), np.sin(up)
        depth = np.full((rows, columns), np.inf)
        origin = (column * h_res, row * v_res + lowest, h_res, v_res)
        _shoot(depth, ends[t], radii, (ce, se, cu, su), origin)
        hidden = np.full((rows, columns) if len(thickness) else (0, 0), np.inf)
        if len(thickness):
            _shoot(hidden, things[t], thickness, (ce, se, cu, su), origin)
        for i in range(rows):
            for j in range(columns):
                if depth[i, j] < np.inf and (len(thickness) == 0 or depth[i, j] < hidden[i, j]):
                    beams[count] = cu[i] * ce[j], cu[i] * se[j], su[i]
                    far[count] = depth[i, j]
                    count += 1
        offsets[t + 1] = count
    return beams[:count], far[:count], offsets


@njit(cache=True)
def _angles(p, r):  # type: ignore[no-untyped-def]
    """Azimuth, elevation and angular radius of a ball; the radius as it counts for the azimuth, which is the larger."""
    level = np.sqrt(p[0] * p[0] + p[1] * p[1])
    return np.arctan2(p[1], p[0]), np.arctan2(p[2], level), np.arcsin(min(1.0, r / level))


@njit(cache=True)
def _shoot(depth, ends, radii, beams, origin):  # type: ignore[no-untyped-def]
    """Lowers `depth [rows, columns]` m to where a beam meets the nearest capsule."""
    ce, se, cu, su = beams
    rows, columns = depth.shape
    first_east, first_up, h_res, v_res = origin
    left, right = np.empty(rows), np.empty(rows)
    for c in range(len(ends)):
        a, b, ra, rb = ends[c, 0], ends[c, 1], radii[c, 0], radii[c, 1]
        (east0, up0, wide0), (east1, up1, wide1) = _angles(a, ra), _angles(b, rb)
        # the hull of two discs in the plane of the angles, in rows and a little too large, holds all beams that meet the capsule
        first, stop = outlines(
            (east0 - first_east) / v_res, (up0 - first_up) / v_res, wide0 / v_res * 1.02 + 0.5,
            (east1 - first_east) / v_res, (up1 - first_up) / v_res, wide1 / v_res * 1.02 + 0.5, rows, left, right,
        )  # fmt: skip
        bx, by, bz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        m0, m1, m5 = bx * bx + by * by + bz * bz, -(bx * a[0] + by * a[1] + bz * a[2]), a[0] * a[0] + a[1] * a[1] + a[2] * a[2]
        m7 = b[0] * b[0] + b[1] * b[1] + b[2] * b[2]
        d2 = m0 - (ra - rb) * (ra - rb)
        for i in range(first, stop):
            for j in range(max(0, int(left[i] * v_res / h_res)), min(columns, int(right[i] * v_res / h_res) + 1)):
                ux, uy, uz = cu[i] * ce[j], cu[i] * se[j], su[i]
                m2, m3, m6 = bx * ux + by * uy + bz * uz, -(a[0] * ux + a[1] * uy + a[2] * uz), -(b[0] * ux + b[1] * uy + b[2] * uz)
                depth[i, j] = min(depth[i, j], round_cone(m0, m1, m2, m3, m5, m6, m7, ra, rb, d2))


@njit(cache=True)
def round_cone(m0, m1, m2, m3, m5, m6, m7, ra, rb, d2):  # type: ignore[no-untyped-def]
    """Distance along a beam u from the origin to the hull of two balls (a, ra), (b, rb); inf where it misses.

    The arguments are products of e = b - a: m0 = e.e, m1 = -e.a, m2 = e.u, m3 = -a.u, m5 = a.a, m6 = -b.u, m7 = b.b, and
    d2 = m0 - (ra - rb)^2. A quadratic for the lateral cone, and the two balls where the cone's foot lies beyond the ends.
    """
    if d2 > 0:
        rr = ra - rb
        k2 = d2 - m2 * m2
        k1 = d2 * m3 - m1 * m2 + m2 * rr * ra
        k0 = d2 * m5 - m1 * m1 + 2 * m1 * rr * ra - m0 * ra * ra
        h = k1 * k1 - k0 * k2
        if h < 0:
            return np.inf
        if k2 > 1e-12:
            far = (-np.sqrt(h) - k1) / k2
            foot = m1 - ra * rr + far * m2
            if 0 < foot < d2:
                return far
    h1, h2 = m3 * m3 - m5 + ra * ra, m6 * m6 - m7 + rb * rb
    near = np.inf
    if h1 > 0:
        near = -m3 - np.sqrt(h1)
    if h2 > 0:
        near = min(near, -m6 - np.sqrt(h2))
    return near
