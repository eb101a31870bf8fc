"""Raw trees for tests, as small as they get."""

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def silhouettes(t: int = 6, seed: int = 0, size: int = 64) -> np.ndarray:
    """uint8 `[t, size, size]`: a soft-edged blob that sways."""
    frames = np.zeros((t, size, size), np.uint8)
    for i, frame in enumerate(frames):
        cv2.ellipse(frame, (size // 2 + i % 3 + seed % 5, size // 2), (size // 6, size // 2 - 1), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return frames


def put(root: Path, walk: str, value: Any, name: str = "00.pkl", protocol: int = 4) -> None:
    (root / walk).mkdir(parents=True, exist_ok=True)
    (root / walk / name).write_bytes(pickle.dumps(value, protocol))


def casia(root: Path) -> Path:
    """A little CASIA-B: ids 001 to 004, three kinds of walk, two views."""
    for subject in ("001", "002", "003", "004"):
        for kind in ("nm-01", "bg-02", "cl-01"):
            for view in ("000", "090"):
                put(root, f"{subject}/{kind}/{view}", silhouettes(seed=int(subject)), f"{view}.pkl")
    return root


def partition(path: Path, train: list[str], test: list[str], **more: list[str]) -> str:
    path.write_text(json.dumps({"TRAIN_SET": train, "TEST_SET": test, **more}))
    return str(path)
