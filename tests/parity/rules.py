"""The rules that make the golden vectors' weights and inputs from names and seeds (numpy only)."""

import zlib

import numpy as np


def weight(name: str, shape: list[int], *, integer: bool, norm: bool) -> np.ndarray:
    """Entry of the state called `name`; norm: its prefix also owns a `running_mean`."""
    if integer:
        return np.zeros(shape, np.int64)
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    kind = name.rpartition(".")[2]
    if norm and kind == "weight":
        z = 1 + 0.1 * z
    elif norm and kind == "running_var":
        z = 1 + 0.1 * np.abs(z)
    elif norm:
        z = 0.1 * z
    elif name == "HPP.p":
        z = np.full(shape, 6.5)
    else:
        z = 0.05 * z
    return np.asarray(z, dtype=np.float32)


def state(shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """All entries of a network."""
    norms = {name.rpartition(".")[0] for name in shapes if name.endswith(".running_mean")}
    return {
        name: weight(name, shape, integer=name.endswith("num_batches_tracked"), norm=name.rpartition(".")[0] in norms)
        for name, shape in shapes.items()
    }


def silhouettes(seed: int, frames: int, h: int, w: int) -> np.ndarray:
    """uint8 `t h w` in {0, 255}: head, torso, two swinging legs, two swinging arms."""
    r = np.random.default_rng(seed)
    s = h / 64.0
    cx = w / 2 + r.uniform(-3, 3) * s
    a, b = r.uniform(6, 10) * s, r.uniform(15, 19) * s
    leg, arm = r.uniform(5, 10) * s, r.uniform(4, 9) * s
    phase, period = r.uniform(0, 2 * np.pi), r.uniform(8, 16)
    thick = r.uniform(2, 4) * s
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float64)
    out = np.zeros((frames, h, w), np.uint8)
    for t in range(frames):
        swing = np.sin(2 * np.pi * t / period + phase)
        bob = abs(swing) * 1.5 * s
        mask = (xx - cx) ** 2 + (yy - 7 * s - bob) ** 2 < (5.5 * s) ** 2
        mask |= ((xx - cx) / a) ** 2 + ((yy - 26 * s - bob) / b) ** 2 < 1
        u = np.clip((yy - 38 * s) / (25 * s), 0, 1)
        v = np.clip((yy - 16 * s) / (22 * s), 0, 1)
        for side in (1, -1):
            mask |= (yy >= 38 * s) & (np.abs(xx - (cx + side * swing * leg * u)) < thick)
            mask |= (yy >= 16 * s) & (yy < 38 * s) & (np.abs(xx - (cx - side * swing * arm * v)) < 0.6 * thick)
        out[t][mask] = 255
    return out


def maps(seed: int, frames: int, h: int, w: int) -> np.ndarray:
    """uint8 `t 2 h w`: smooth joint and limb maps."""
    r = np.random.default_rng(seed + 10**6)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float64)
    out = np.zeros((frames, 2, h, w), np.uint8)
    centre = r.uniform(0.2, 0.8, (17, 2)) * [h, w]
    amplitude = r.uniform(0, 4, (17, 2)) * h / 64
    phase, period = r.uniform(0, 2 * np.pi, 17), r.uniform(8, 16)
    for t in range(frames):
        p = centre + amplitude * np.sin(2 * np.pi * t / period + phase)[:, None]
        joints = [np.exp(-((yy - q[0]) ** 2 + (xx - q[1]) ** 2) / (2 * 2.0**2)) for q in p]
        limbs = [np.exp(-((yy - q[0]) ** 2 + (xx - q[1]) ** 2) / (2 * 3.5**2)) for q in (p[:-1] + p[1:]) / 2]
        out[t] = np.floor(255 * np.stack([np.max(joints, 0), np.max(limbs, 0)]))
    return out


def depth(seed: int, frames: int, h: int, w: int) -> np.ndarray:
    """uint8 `t 3 h w`: silhouettes filled with colour ramps."""
    mask = silhouettes(seed, frames, h, w) > 0
    r = np.random.default_rng(seed + 2 * 10**6)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float64)
    ramps = [127.5 * (1 + np.sin(r.uniform(0.05, 0.3) * xx + r.uniform(0.05, 0.3) * yy + r.uniform(0, 6))) for _ in range(3)]
    return np.floor(np.stack(ramps)[None] * mask[:, None]).astype(np.uint8)


def smpl(seed: int, frames: int, h: int = 0, w: int = 0) -> np.ndarray:
    """float32 `t 85`, whatever the frames' size."""
    return (0.5 * np.random.default_rng(seed + 3 * 10**6).standard_normal((frames, 85))).astype(np.float32)


def cut(x: np.ndarray) -> np.ndarray:
    """The sides' `floor(w / 64) * 10` columns off, grey levels to [0, 1]."""
    columns = x.shape[-1] // 64 * 10
    x = x[..., columns:-columns] if columns else x
    return (x / 255.0).astype(np.float32)
