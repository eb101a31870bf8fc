"""A few damaged files for every reader of files from others; `python -m tests.fuzz` goes on for as long as one likes."""

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.readers import READERS


@pytest.mark.parametrize("name", READERS)
def test_a_whole_file_is_read_and_damaged_ones_are_one_line(name: str) -> None:
    reader, examples = READERS[name], READERS[name].examples()
    reader(examples[0])
    for number in range(12):
        reader(mutated(examples, name, seed=1, number=number))


def test_cases_can_be_repeated() -> None:
    assert mutated([b"abc" * 50], "x", 0, 3) == mutated([b"abc" * 50], "x", 0, 3) != mutated([b"abc" * 50], "x", 0, 4)
