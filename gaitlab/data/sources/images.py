"""Image files from strangers -> pixels with all that they hold: a palette's colours, alpha, 16 bits. Headers are believed in bounds."""

import io
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gaitlab.data.sources.foreign import foreign

PIXELS = 2**26
"""Of the largest image that is read: 8,192 x 8,192."""
BYTES = 2**29
"""Of the largest file."""
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND\xaeB`\x82"
"""How a whole one begins and ends."""

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong with a file is said by us, in one line
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_image(path: Path) -> np.ndarray:
    """uint8 or uint16 `[h, w]`, or `[h, w, 3 or 4]` in the order b g r alpha. ValueError, one line with the file's name, for all else."""
    try:
        if path.stat().st_size > BYTES:
            raise ValueError(f"{path}: is larger than {BYTES >> 20} MB; no mask is")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    return decoded(content, str(path))


def decoded(content: bytes, name: str) -> np.ndarray:
    """What `read_image` gives, of a file's bytes."""
    try:
        small = _pixels(content) <= PIXELS
        flags = cv2.IMREAD_ANYCOLOR if content[:2] == b"\xff\xd8" else cv2.IMREAD_UNCHANGED  # only the former turns photographs upright
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if small else None
    except Image.DecompressionBombError:
        small, image = False, None
    except Exception:  # noqa: BLE001  (damaged bytes raise nearly anything)
        small, image = True, None
    if not small:
        raise ValueError(f"{name}: its header claims more than {PIXELS:,} pixels; no mask has so many")
    if image is None or image.dtype not in (np.uint8, np.uint16) or 0 in image.shape:
        raise ValueError(f"{name}: {foreign(content) or 'is no image that can be read'}")
    return image


def _pixels(content: bytes) -> int:
    """What the header says. Raises nearly anything for damaged files, of which OpenCV would write to the terminal."""
    if content.startswith(PNG[0]) and content.endswith(PNG[1]):  # what Pillow would find out, ten times faster
        width, height = struct.unpack(">II", content[16:24])
        return int(width * height)
    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP")) as file:
        file.verify()
        return file.width * file.height
