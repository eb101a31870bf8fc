"""LiDAR points of one person -> range view, 64x64: an image over azimuth and elevation that says how near each point is.

The grid is that of the field's projection of SUSTech1K (Shen et al., CVPR 2023; Lu et al., 2026): 0.19188 x 0.2 degrees. Rows are
cropped to the person, the height is scaled to 64 keeping the ratio, the column where half the cells lie to the left goes to the middle:
the pretreatment of silhouettes (`gaitlab.data.frames`). Cells are taken as they are when scaled (nearest): a mean of a near and a far
surface would be a surface where nothing is.
"""

import numpy as np
from numba import njit

H_RES, V_RES = 0.19188, 0.2
"""Degrees of azimuth and elevation that a cell spans."""
DEPTH = 0.6
"""Metres before and behind the person's mean range that the grey levels 255 and 1 stand for."""


def range_views(points: np.ndarray, offsets: np.ndarray, *, size: int = 64, h_res: float = H_RES, v_res: float = V_RES) -> np.ndarray:
    """Points float `[n, 3]` m (x y level, z up, the sensor at 0; frame t owns points offsets[t]:offsets[t+1]) -> uint8 `[t, size, size]`.

    0: no point. Else 1 to 255, 128 at the frame's mean level distance, brighter is nearer, `DEPTH` metres to either end.
    A frame without points is all 0. ValueError for points that are no points.
    """
    if not (size > 0 and h_res > 0 and v_res > 0):
        raise ValueError(f"size, h_res and v_res are above 0; they are {size}, {h_res}, {v_res}")
    points, offsets = np.asarray(points, np.float64), np.asarray(offsets, np.int64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ValueError(f"points are finite, [n, 3] metres; these are {points.shape}")
    if offsets.ndim != 1 or len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(points) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets run from 0 to the number of points ({len(points)}) without falling")
    out = np.zeros((len(offsets) - 1, size, size), np.uint8)
    _draw(points, offsets, np.radians(h_res), np.radians(v_res), out)
    return out


@njit(cache=True)
def _draw(points, offsets, h_res, v_res, out):  # type: ignore[no-untyped-def]
    size = out.shape[1]
    for t in range(len(out)):
        count = offsets[t + 1] - offsets[t]
        if count == 0:
            continue
        here = points[offsets[t] : offsets[t + 1]]
        column, row, far = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
        ahead = np.arctan2(here[0, 1], here[0, 0])  # a person behind the sensor is not cut in two where azimuths jump
        for i in range(count):
            far[i] = np.sqrt(here[i, 0] * here[i, 0] + here[i, 1] * here[i, 1])
            turn = np.arctan2(here[i, 1], here[i, 0]) - ahead
            turn -= 2 * np.pi * np.floor((turn + np.pi) / (2 * np.pi))
            column[i] = int(np.floor(-(turn + ahead) / h_res))  # the sensor's left is the image's left
            row[i] = int(np.floor(-np.arctan2(here[i, 2], far[i]) / v_res))
        first_row, first_column = row.min(), column.min()
        high, wide = row.max() - first_row + 1, column.max() - first_column + 1
        grid = np.full((high, wide), np.inf)
        mass = np.zeros(wide, np.int64)
        for i in range(count):
            r, c = row[i] - first_row, column[i] - first_column
            if grid[r, c] == np.inf:
                mass[c] += 1
            grid[r, c] = min(grid[r, c], far[i])
        cells, total, middle = mass.sum(), 0, 0
        while 2 * (total + mass[middle]) <= cells:
            total += mass[middle]
            middle += 1
        mean = far.mean()
        for i in range(size):
            r = int((i + 0.5) * high / size)
            for j in range(size):
                c = int(np.floor((j - size // 2) * high / size + middle + 0.5))
                if 0 <= c < wide and grid[r, c] < np.inf:
                    out[t, i, j] = int(min(255.0, max(1.0, np.round(128 + 127 * (mean - grid[r, c]) / DEPTH))))
