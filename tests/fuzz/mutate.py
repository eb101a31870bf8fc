"""Whole files -> damaged and hostile ones: a pure function of (name, seed, number)."""

import zlib
from collections.abc import Sequence

import numpy as np

NUMBERS = tuple(
    number.to_bytes(size, order, signed=number < 0)
    for size in (1, 2, 4, 8)
    for number in (0, 1, -1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 2), 60_000 % 2 ** (8 * size - 1))
    for order in ("little", "big")
)
WORDS = (
    *(b"null", b"true", b"NaN", b"-1", b"1e999", b"1" * 5000, b"[]", b"{}", b'""', b"[" * 3000, b'{"a":' * 500, b'"\\ud800"', b'"\\n"'),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\r\n", b"\xc3\xa9", b"&a [*a, *a]", b"!!python/object/apply:os.system [x]", b"../../x"),
)


def mutated(examples: Sequence[bytes], name: str, seed: int, number: int) -> bytes:
    """One of the examples with one to six changes; every twentieth is nothing but noise."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed, number])
    if number % 20 == 19:
        return rng.bytes(int(rng.integers(0, 300)))
    content = bytearray(examples[int(rng.integers(len(examples)))])
    for _ in range(int(rng.integers(1, 7))):
        changed(content, examples, rng)
    return bytes(content)


def changed(content: bytearray, examples: Sequence[bytes], rng: np.random.Generator) -> None:
    """One change, most often near the beginning, where the headers are."""
    size = len(content)
    reach = size if rng.random() < 0.5 else min(size, 200)
    at = int(rng.integers(0, reach + 1))
    length = int(rng.integers(1, 40))
    match int(rng.integers(8)):
        case 0 if size:
            content[min(at, size - 1)] ^= 1 << int(rng.integers(8))
        case 1 if size:
            content[min(at, size - 1)] = int(rng.integers(256))
        case 2:
            number = NUMBERS[int(rng.integers(len(NUMBERS)))]
            content[at : at + len(number)] = number
        case 3:
            word = WORDS[int(rng.integers(len(WORDS)))]
            content[at : at + (len(word) if rng.random() < 0.5 else 0)] = word
        case 4:
            del content[at : at + length]
        case 5:
            content[at:at] = content[at : at + length] * int(rng.integers(1, 50))
        case 6:
            other = examples[int(rng.integers(len(examples)))]
            start = int(rng.integers(0, len(other) + 1))
            content[at:] = other[start:]
        case _ if rng.random() < 0.3:
            del content[at:]
