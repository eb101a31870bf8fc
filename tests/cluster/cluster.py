"""A Ray cluster on this machine that outlives its drivers."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from tests.tracking.servers import free_port

ROOT = Path(__file__).parents[2]


class Cluster:
    """`ray start --head` with two CPUs in a folder of its own; nothing is left in /tmp/ray where another cluster would look."""

    def __init__(self) -> None:
        self.port, self.dashboard_port = free_port(), free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        self._head: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def dashboard(self) -> str:
        """Where jobs are submitted."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    @property
    def env(self) -> dict[str, str]:
        """By which a pipeline joins."""
        return {"RAY_ADDRESS": self.address}

    def start(self) -> None:
        """Returns when it takes drivers and jobs."""
        ray, log = Path(sys.executable).with_name("ray"), Path(self._folder.name) / "head.log"
        ports = {"--port": self.port, "--dashboard-port": self.dashboard_port, "--dashboard-agent-listen-port": free_port()}
        options = {**ports, "--num-cpus": 2, "--temp-dir": self._folder.name}
        paths = {"PATH": f"{ray.parent}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        words = [str(word) for option in options.items() for word in option]
        with log.open("wb") as out:
            self._head = subprocess.Popen(
                [ray, "start", "--head", "--block", "--disable-usage-stats", *words],
                env=os.environ | paths, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"{self.dashboard}/api/version", timeout=5):
                    return
            except OSError:
                assert self._head.poll() is None, log.read_text()
                time.sleep(0.1)
        raise TimeoutError(log.read_text())

    def processes(self, titled: str = "") -> list[psutil.Process]:
        """All of it, its workers included, or those with that in their command lines."""
        found = []
        for process in psutil.Process(self._head.pid).children(recursive=True) if self._head else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                if titled in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def stop(self) -> None:
        """By pid, at once."""
        if self._head is None:
            return
        try:
            all_ = [psutil.Process(self._head.pid), *self.processes()]
        except psutil.NoSuchProcess:
            all_ = []
        for process in all_:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._head.wait()
        psutil.wait_procs(all_, 10)
        self._folder.cleanup()
