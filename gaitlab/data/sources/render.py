"""Capsules in space -> pinhole camera -> binary silhouettes, cropped and centred, 64x64.

Axes: x forward (the walking direction), y left, z up, metres. A body is a set of tapered capsules (the convex hull of two balls);
its image under a distant camera is the hull of two discs, so every capsule covers one span of columns in a row of pixels.
`silhouettes` draws the spans straight at the normalised scale, a row of 64 pixels being one 64-bit word: height 64, ratio
kept, median column in the middle, which is what the pretreatment of real frames gives (`gaitlab.data.frames`) up to where
the borders of pixels fall. `canvas` is the other road: a whole picture as a camera would take it. Sums are elementwise (no BLAS), so
that pixels do not depend on the machine.
"""

from dataclasses import dataclass

import numpy as np

SIZE = 64
"""Height and width of a normalised silhouette; fixed, because a row is one 64-bit word."""

_CHUNK = 6  # frames drawn at a time: arrays stay in the cache and below the size at which malloc returns them to the system
_FROM = np.array([(1 << (SIZE - column)) - 1 for column in range(SIZE + 1)], np.uint64)  # bits of the columns >= index
_NOWHERE = np.float32(1e6)


@dataclass(frozen=True)
class Capsules:
    """A moving body. ends: `[t, c, 2, 3]` m; radii: `[c, 2]` m, one per end; parts: c names (`l_shank`), for noise that loses one."""

    ends: np.ndarray
    radii: np.ndarray
    parts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Pinhole camera that looks at `(0, 0, aim)` from `distance` metres. azimuth (degrees): 0 sees a walker's front, 90 the
    left side, 180 the back. elevation (degrees): above the horizon. focal, width, height: pixels of its raw picture."""

    azimuth: float = 90.0
    elevation: float = 4.0
    distance: float = 7.0
    aim: float = 0.85
    focal: float = 700.0
    width: int = 320
    height: int = 240

    def __post_init__(self) -> None:
        if self.distance < 2.0:
            raise ValueError(f"camera.distance is {self.distance} m; a walker needs 2 m or more")

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points `[..., 3]` m -> image x (right), y (down) in units of the focal length, and depth in metres."""
        turn, lift = np.radians(self.azimuth), np.radians(self.elevation)
        ct, st, cl, sl = (round(float(value), 9) for value in (np.cos(turn), np.sin(turn), np.cos(lift), np.sin(lift)))
        x, y, z = points[..., 0], points[..., 1], points[..., 2] - self.aim
        towards = x * ct + y * st
        depth = self.distance - (towards * cl + z * sl)
        if not (depth > 0.1).all():
            raise ValueError(f"a walker comes within 0.1 m of the camera; move the camera away (now {self.distance} m)")
        return (y * ct - x * st) / depth, (towards * sl - z * cl) / depth, depth


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Segmentation noise. edge: probability that a boundary pixel flips; hole: that a frame has a hole or a bite; limb: that a
    walk loses a limb for a few frames."""

    edge: float = 0.1
    hole: float = 0.04
    limb: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"noise.{name} is a probability, 0 to 1; it is {value}")

    def scaled(self, strength: float) -> "Noise":
        """The same noise, `strength` times as frequent."""
        return Noise(**{name: min(1.0, strength * value) for name, value in vars(self).items()})


def silhouettes(body: Capsules, camera: Camera, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[t, 64, 64]`, 0 or 255: what `camera` sees of `body`, segmented with `noise`, cropped and centred."""
    x, y, depth = camera.project(body.ends)
    r = body.radii / depth
    seen = ~_lost_limbs(body, noise, rng)[..., None]
    top, left = (np.where(seen, side - r, _NOWHERE).min((1, 2), keepdims=True) for side in (y, x))
    bottom, right = (np.where(seen, side + r, -_NOWHERE).max((1, 2), keepdims=True) for side in (y, x))
    scale = SIZE / (bottom - top)
    x = ((x - (left + right) / 2) * scale + SIZE / 2).astype(np.float32)
    y = np.where(seen, (y - top) * scale, -_NOWHERE).astype(np.float32)
    r = (r * scale).astype(np.float32)
    words = np.empty((len(x), SIZE), np.uint64)
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        words[part] = _words(spans(x[part], y[part], r[part], SIZE))
    return _centred(_rough(words, noise, rng))


def canvas(body: Capsules, camera: Camera) -> np.ndarray:
    """uint8 `[t, height, width]`, 0 or 255: the camera's raw picture of `body`, neither cropped nor noisy."""
    x, y, depth = camera.project(body.ends)
    x, y, r = x * camera.focal + camera.width / 2, y * camera.focal + camera.height / 2, body.radii / depth * camera.focal
    borders = spans(x.astype(np.float32), y.astype(np.float32), r.astype(np.float32), camera.height)
    column = np.arange(camera.width, dtype=np.float32) + 0.5
    picture = np.zeros((len(x), camera.height, camera.width), bool)
    for c in range(x.shape[1]):
        picture |= (column >= borders[0, :, c, :, None]) & (column < borders[1, :, c, :, None])
    return picture.astype(np.uint8) * np.uint8(255)


def spans(x: np.ndarray, y: np.ndarray, r: np.ndarray, rows: int) -> np.ndarray:
    """Left and right border `[2, t, c, rows]` (pixels) of each capsule on each row's middle; left > right where it is not on it.

    x, y, r: float32 `[t, c, 2]` discs of the two ends, in pixels. The hull of two discs is bounded by arcs of both and by their
    two common tangents, whose unit normal n has n . (c1 - c0) = r0 - r1.
    """
    row = np.arange(rows, dtype=np.float32) + np.float32(0.5)
    borders = np.empty((2, *x.shape[:2], rows), np.float32)
    left, right = borders
    left.fill(_NOWHERE)
    right.fill(-_NOWHERE)
    for end in (0, 1):
        cx, cy, cr = x[..., end, None], y[..., end, None], r[..., end, None]
        half = np.square(row - cy)
        np.subtract(cr * cr, half, out=half)
        missed = half <= 0
        np.sqrt(np.maximum(half, 0, out=half), out=half)
        np.copyto(half, -_NOWHERE, where=missed)
        np.minimum(left, cx - half, out=left)
        np.maximum(right, np.add(half, cx, out=half), out=right)
    dx, dy = x[..., 1] - x[..., 0], y[..., 1] - y[..., 0]
    length = np.sqrt(dx * dx + dy * dy) + np.float32(1e-9)
    ux, uy = dx / length, dy / length
    along = np.clip((r[..., 0] - r[..., 1]) / length, -1, 1)
    across = np.sqrt(1 - along * along)
    for side in (across, -across):
        nx, ny = along * ux - side * uy, along * uy + side * ux
        x0, y0 = x[..., 0] + r[..., 0] * nx, y[..., 0] + r[..., 0] * ny
        x1, y1 = x[..., 1] + r[..., 1] * nx, y[..., 1] + r[..., 1] * ny
        fall = y1 - y0
        slope = (x1 - x0) / np.where(np.abs(fall) < 1e-6, np.float32(1e-6), fall)
        at = row * slope[..., None]
        np.add(at, (x0 - y0 * slope)[..., None], out=at)
        missed = row < np.minimum(y0, y1)[..., None]
        missed |= row > np.maximum(y0, y1)[..., None]
        np.copyto(at, _NOWHERE, where=missed)
        np.minimum(left, at, out=left)
        np.copyto(at, -_NOWHERE, where=missed)
        np.maximum(right, at, out=right)
    return borders


def _words(borders: np.ndarray) -> np.ndarray:
    """Spans `[2, t, c, 64]` -> union over the capsules, uint64 `[t, 64]`; the highest bit is the left column."""
    np.maximum(borders[1], borders[0], out=borders[1])
    np.clip(borders, 0, SIZE, out=borders)
    np.add(borders, np.float32(0.5), out=borders)
    first, stop = (_FROM.take(border.astype(np.intp)) for border in borders)
    return np.bitwise_or.reduce(np.bitwise_xor(first, stop, out=first), axis=1)


def _bits(words: np.ndarray) -> np.ndarray:
    """uint64 `[t, 64]` -> uint8 0/1 `[t, 64, 64]`."""
    return np.unpackbits(words.astype(">u8").view(np.uint8).reshape(*words.shape, 8), axis=-1)


def _centred(words: np.ndarray) -> np.ndarray:
    """Rows as words -> uint8 `[t, 64, 64]` {0, 255}; the first column where the running sum exceeds half goes to column 32."""
    mass = np.cumsum(_bits(words).sum(1, dtype=np.uint8), axis=1, dtype=np.int32)
    shift = (mass * 2 <= mass[:, -1:]).sum(1) - SIZE // 2
    to_left, to_right = (np.maximum(way, 0).astype(np.uint64)[:, None] for way in (shift, -shift))
    return np.negative(_bits((words << to_left) >> to_right))


# -- noise -------------------------------------------------------------------------------------------------------------

_LIMBS = (("l_forearm", "l_hand"), ("r_forearm", "r_hand"), ("l_foot", "l_toes"), ("r_foot", "r_toes"), ("head",), ("l_shank", "l_calf"))


def _lost_limbs(body: Capsules, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """bool `[t, c]`: capsules that the segmentation misses: one limb for 2-6 frames, in a share `noise.limb` of the walks."""
    frames = len(body.ends)
    lost = np.zeros((frames, len(body.parts)), bool)
    happens, limb, length, start = rng.random(), rng.integers(len(_LIMBS)), rng.integers(2, 7), rng.random()
    if happens < noise.limb:
        first = int(start * frames)
        lost[first : first + length, np.isin(body.parts, _LIMBS[limb])] = True
    return lost


def _rough(words: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Flips boundary pixels and cuts holes, on words `[t, 64]`."""
    one = np.uint64(1)
    if noise.edge > 0:
        above, below = np.roll(words, 1, axis=1), np.roll(words, -1, axis=1)
        above[:, 0] = below[:, -1] = 0
        grown = words | words << one | words >> one | above | below
        shrunk = words & words << one & words >> one & above & below
        wear, gain = _coins(words.shape, noise.edge, rng), _coins(words.shape, noise.edge, rng)
        words = (words & ~(wear & ~shrunk)) | (gain & grown)
    happens, row, height, column, width = (rng.random(len(words)) for _ in range(5))
    for frame in np.flatnonzero(happens < noise.hole):
        first, start = int(row[frame] * SIZE), int(16 + column[frame] * 32)
        block = _FROM[start] ^ _FROM[min(SIZE, start + 2 + int(width[frame] * 8))]
        words[frame, first : first + 2 + int(height[frame] * 8)] &= ~block
    return words


def _coins(shape: tuple[int, ...], probability: float, rng: np.random.Generator) -> np.ndarray:
    """Words whose bits are 1 with `probability`, to the nearest 1/32."""
    level = min(31, round(probability * 32))
    words = np.zeros(shape, np.uint64)
    for digit in range(5):
        fair = rng.integers(0, 1 << 64, shape, np.uint64)
        words = words | fair if level >> digit & 1 else words & fair
    return words
