"""What Ray leaves behind, and is put away: scratch folders of killed workers, a token that others can read. No Ray is started."""

import tempfile
import time
from pathlib import Path

import pytest

from gaitlab.cluster.connect import keep_token_private
from gaitlab.cluster.scratch import LOCK, scratch, sweep
from tests.processes import Started


def work(folder_of_all: str) -> None:
    tempfile.tempdir = folder_of_all
    with scratch() as folder:
        (folder / "step-00000001.pt").touch()
        print(folder, flush=True)
        time.sleep(60)


def test_the_scratch_of_a_killed_worker_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as own:
        worker = Started(work, str(tmp_path))
        theirs = Path(worker.stdout.readline().strip())
        assert theirs.parent == tmp_path
        sweep()
        assert sorted(path.name for path in theirs.iterdir()) == [LOCK, "step-00000001.pt"], "it is at work"
        worker.kill()
        worker.stdout.close()
        with scratch() as next_one:
            assert set(tmp_path.glob("gaitlab-*")) == {own, next_one}
    assert not list(tmp_path.glob("gaitlab-*"))


def test_rays_token_is_for_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    keep_token_private()
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("s3cret")
    token.chmod(0o644)
    keep_token_private()
    assert (token.stat().st_mode & 0o777, token.read_text()) == (0o600, "s3cret")
