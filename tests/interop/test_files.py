"""Files that are to be OpenGait configurations and are none: one line each."""

from pathlib import Path

import pytest

from gaitlab.interop.opengait import read_experiment

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)) + "model_cfg: *a39\n"


@pytest.mark.parametrize("text", [BOMB, "a: &a [*a]\n", "x: " + "[" * 50_000, "x: " + "y" * 200_000])
def test_a_hostile_yaml_is_a_line_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "bomb.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"bomb.yaml (has more than 100,000|is nested too deeply)") as caught:
        read_experiment(tmp_path / "bomb.yaml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\nb: 2", r"c.yaml, line 2 is no YAML"),
        ("- 1", r"c.yaml holds no mapping"),
        ("", r"c.yaml holds no mapping"),
        ("x: !!python/object/apply:os.system ['true']", r"c.yaml, line 1 is no YAML"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=says) as caught:
        read_experiment(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.yaml cannot be read: No such file"):
        read_experiment(tmp_path / "none.yaml")
    (tmp_path / "c.pt").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ValueError, match=r"c.pt is no text file; the YAML comes first"):
        read_experiment(tmp_path / "c.pt")
