"""Pages as a reader's browser shows them, without a screen."""

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
]  # fmt: skip


def chromium() -> str:
    """The browser; skips where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no chromium, chromium-browser or google-chrome on PATH; apt-get install chromium")


def text_of(url: str, *, wait: int = 0, size: tuple[int, int] = (1280, 2400), picture: Path | None = None) -> str:
    """What stands on the page once its scripts have run, without tags. wait: milliseconds of the page's own time. picture: a screenshot."""
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        options = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
        options += [f"--virtual-time-budget={wait}"] if wait else []
        options += [f"--screenshot={picture}"] if picture else []
        done = subprocess.run([chromium(), *options, "--dump-dom", url], capture_output=True, text=True, timeout=180, check=True)
    plain = re.sub(r"<(style|script)\b.*?</\1>", " ", done.stdout, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", plain)))
