"""Masks of every kind that people have: the same person, or one line that says what to type."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gaitlab.data.check import check
from gaitlab.data.ingest import ingest
from gaitlab.data.silhouettes import Levels, reading
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.sources import masks as module
from gaitlab.data.sources.folders import FrameFolders
from gaitlab.data.sources.images import decoded
from gaitlab.data.sources.masks import masks, seen

Draw = Callable[[np.ndarray], Image.Image]


def person(i: int = 0) -> np.ndarray:
    """uint8 `[96, 80]`, 0 or 255."""
    frame = np.zeros((96, 80), np.uint8)
    cv2.ellipse(frame, (38 + i, 50), (12, 40), 0, 0, 360, 255, -1)
    return frame


def palette(index: int) -> Draw:
    """As VOC, labelme and DAVIS write it."""

    def draw(mask: np.ndarray) -> Image.Image:
        image = Image.fromarray(np.where(mask, index, 0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128] + [200, 100, 50] * 251)
        return image

    return draw


def channels(kind: str, *values: Callable[[np.ndarray], np.ndarray]) -> Draw:
    return lambda mask: Image.merge(kind, [Image.fromarray(value(mask)) for value in values])


def off(mask: np.ndarray) -> np.ndarray:
    return mask * np.uint8(0)


def on(mask: np.ndarray) -> np.ndarray:
    return off(mask) + np.uint8(255)


def same(mask: np.ndarray) -> np.ndarray:
    return mask


def jpeg(mask: np.ndarray) -> Image.Image:
    written = io.BytesIO()
    Image.fromarray(mask).save(written, "JPEG", quality=50)
    return Image.open(written)


def two(values: tuple[int, int], dtype: type = np.uint8) -> Draw:
    return lambda mask: Image.fromarray(np.where(mask > 0, values[1], values[0]).astype(dtype))


KINDS: dict[str, tuple[Draw, str]] = {
    "grey": (Image.fromarray, ""),
    "one bit": (lambda mask: Image.fromarray(mask).convert("1"), ""),
    "colour": (channels("RGB", same, same, same), ""),
    "opaque": (channels("RGBA", same, same, same, on), ""),
    "16 bits": (two((0, 65535), np.uint16), "0 and 65535"),
    "16 bits of 8": (two((0, 255), np.uint16), ""),
    "16 bits, labels": (two((0, 1), np.uint16), "0 and 1"),
    "instance 2": (two((0, 2)), "0 and 2"),
    "class 15": (two((0, 15)), "0 and 15"),
    "not quite black": (two((3, 90)), "3 and 90"),
    "palette, red": (palette(1), "#000000 and #800000"),
    "palette, blue": (palette(4), "#000000 and #000080"),
    "red on black": (channels("RGB", same, off, off), "#000000 and #ff0000"),
    "cut-out of black": (channels("RGBA", off, off, off, same), "what is opaque"),
    "cut-out of white": (channels("RGBA", on, on, on, same), "what is opaque"),
    "cut-out of grey": (channels("LA", on, same), "what is opaque"),
    "JPEG": (jpeg, "faint pixels"),
}


def written(folder: Path, draw: Draw, count: int = 3) -> list[Path]:
    """Frames of a walk, the last of which shows nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i}.png" for i in range(count + 1)]
    for i, path in enumerate(paths):
        draw(person(i) if i < count else off(person())).save(path)
    return paths


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_what_people_see_in_them(tmp_path: Path, kind: str) -> None:
    draw, says = KINDS[kind]
    drawn, said = masks(written(tmp_path, draw))
    assert said == "" if not says else says in said
    assert np.array_equal(np.stack(list(drawn)), [person(0), person(1), person(2), off(person())])
    assert seen(np.asarray(draw(person()).convert("RGBA"))).shape == (96, 80, 3)


def labelled(mask: np.ndarray) -> Image.Image:
    other = np.zeros_like(mask)
    other[:9, :9] = 2
    image = palette(1)(mask)
    image.putdata((np.asarray(image) + other).ravel().tolist())
    return image


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda mask: Image.fromarray(255 - mask), "dark on bright. --invert"),
        (channels("RGB", lambda mask: 255 - mask, on, on), "dark on bright. --invert"),
        (labelled, "say which of #000000, #008000, #800000 are the person, e.g. --label #008000"),
        (lambda mask: Image.fromarray(cv2.GaussianBlur(mask, (9, 9), 3) // 3), "values below 128 only"),
        (lambda mask: Image.fromarray(np.random.default_rng(0).integers(50, 99, (96, 80, 3), "u1") + mask[..., None] // 4), "photograph"),
        (lambda mask: Image.fromarray(off(mask)), "none of its 4 frames shows anybody"),
    ],
)  # fmt: skip
def test_what_nobody_can_know_is_asked(tmp_path: Path, draw: Draw, says: str) -> None:
    paths = written(tmp_path, draw)
    with pytest.raises(ValueError, match=says) as caught:
        masks(paths)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_answers(tmp_path: Path) -> None:
    drawn, said = masks(written(tmp_path, lambda mask: Image.fromarray(255 - mask)), invert=True)
    assert np.array_equal(next(drawn), person())
    drawn, said = masks(written(tmp_path, labelled), person=("#800000",))
    assert (np.array_equal(next(drawn), person()), said) == (True, "")
    for wrong, says in (
        ({"person": ("#ffffff",)}, "has no label #ffffff; its values are #000000"),
        ({"person": ("#000000",)}, "background's"),
    ):
        with pytest.raises(ValueError, match=says):
            masks(written(tmp_path, labelled), **wrong)
    with pytest.raises(ValueError, match="after --invert: leave that out"):
        masks(written(tmp_path, Image.fromarray), invert=True)


def test_soft_edges_stay_soft(tmp_path: Path) -> None:
    drawn, said = masks(written(tmp_path, lambda mask: Image.fromarray(cv2.GaussianBlur(mask, (5, 5), 1))))
    assert (np.array_equal(next(drawn), cv2.GaussianBlur(person(), (5, 5), 1)), said) == (True, "")


def test_a_long_walk_is_read_again_instead_of_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 1)
    drawn, _ = masks(written(tmp_path, palette(1)))
    assert [int(mask.max()) for mask in drawn] == [255, 255, 255, 0]


def test_two_values_and_many_levels_by_hand() -> None:
    levels = Levels()
    levels.add(person()[None])
    assert (levels.whole.sum(), levels.border.sum()) == (96 * 80, 2 * 96 + 2 * 80 - 4)
    assert levels.whole[255] == (person() > 0).sum()
    table, said = reading(levels)
    assert (table[0], table[255], said) == (0, 255, "")


def header(width: int, height: int) -> Iterator[bytes]:
    """Small files that claim to be large images."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IEND\xaeB`\x82"
    yield b"BM" + struct.pack("<IHHIIiiHHIIIIII", 0, 0, 0, 54, 40, width, height, 1, 8, 0, 0, 0, 0, 0, 0)
    good = io.BytesIO()
    Image.fromarray(person()).save(good, "JPEG")
    start = good.getvalue().index(b"\xff\xc0") + 5
    yield good.getvalue()[:start] + struct.pack(">HH", height, width) + good.getvalue()[start + 4 :]


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (10_000, 8_000)])
def test_a_header_is_not_believed(width: int, height: int) -> None:
    for content in header(width, height):
        with pytest.raises(ValueError, match=r"x.png: its header claims more than 67,108,864 pixels; no mask has so many"):
            decoded(content, "x.png")


def test_files_that_are_no_images(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(person()).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for cut in (0, 5, 30, len(content) // 2, len(content) - 9):
        with pytest.raises(ValueError, match=r"x.png: is no image that can be read"):
            decoded(content[:cut], "x.png")
    with pytest.raises(ValueError, match=r"x.png: is a pointer of Git LFS: git lfs pull"):
        decoded(b"version https://git-lfs.github.com/spec/v1\n", "x.png")
    assert capfd.readouterr().err == "", "OpenCV says nothing to the terminal"


def tree(root: Path, draw: Draw) -> Path:
    for subject in ("1", "2"):
        written(root / subject / "nm-01" / "000", draw, 6)
    return root


def test_masks_are_checked_as_they_would_be_read(tmp_path: Path) -> None:
    report = check(tree(tmp_path / "good", palette(1)), layout="casia-b")
    assert (report.problems, report.notes) == ([], ["silhouettes of #000000 and #800000 are read as 0 and 255 (2 walks)"])
    assert report.counts.iloc[-1]["silhouette frames"] == "12"
    dark = tree(tmp_path / "dark", lambda mask: Image.fromarray(255 - mask))
    (problem,) = check(dark, layout="casia-b").problems
    assert problem.endswith("is the person dark on bright? --invert (and 1 more like this)")
    assert check(dark, layout="casia-b", invert=True).problems == []


def test_two_files_of_one_frame(tmp_path: Path) -> None:
    Image.fromarray(person()).save(tree(tmp_path, Image.fromarray) / "1" / "nm-01" / "000" / "0.jpg")
    with pytest.raises(ValueError, match=r"1/nm-01/000: has .jpg and .png files, and every one of them would be a frame"):
        FrameFolders(root=str(tmp_path), layout="casia-b").walks()


@dataclass(frozen=True, kw_only=True)
class Given(SourceConfig):
    """One walk, as it is."""

    name: str = "given"
    inverted: bool = False

    def walks(self) -> list[Walk]:
        return [Walk(subject="1")]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        frames = np.stack([person(i)[16:80, 6:70] for i in range(6)])
        return {"silhouette": 255 - frames if self.inverted else frames}

    def checksum(self) -> str:
        return ""


def test_shards_of_people_dark_on_bright_have_a_problem(tmp_path: Path) -> None:
    """Nothing refused them before."""
    assert check(ingest(Given(), tmp_path / "good", progress=False).root).problems == []
    (problem,) = check(ingest(Given(inverted=True), tmp_path / "bad", progress=False).root).problems
    assert problem == "silhouette: 1 walk (1/-/-/-/-): what is bright is on the border: is the person dark on bright? --invert"
