"""Processes that tests start: a pipeline or a function, forked from a server which has done the imports.

torch (with its compiler, which an optimiser imports), Ray and MLflow take 6-15 s of CPU to import; a forked process has them for nothing
and is still one of its own: environment, working folder, streams, exit code, death by signals. What it shares with its siblings is the
seed of Python's hashes; a test for which that matters starts a real process.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "pytest", "torch._dynamo", "torch.distributed.fsdp", "matplotlib.backends.backend_agg", "scipy.stats", "PIL.Image",
        "ray.data", "ray.train.torch", "ray.tune",
        "mlflow", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "alembic.command",
        "experiments", "gaitlab.launch", "gaitlab.command", "gaitlab.cluster.sweep", "gaitlab.reports.report",
    ]
)  # fmt: skip


def pipeline(name: str, *arguments: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """`python pipelines/NAME ARGUMENTS` to its end, started in `folder`."""
    return finished(script, name, *arguments, folder=folder, **env)


def finished(work: Callable[..., object], name: str, *arguments: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """`work(name, *arguments)` to its end."""
    with tempfile.TemporaryDirectory(prefix="pipeline-") as streams:
        out, err = Path(streams) / "out", Path(streams) / "err"
        process = SERVER.Process(target=_child, args=(work, (name, *arguments), str(out), str(err), os.environ | env, False, folder))
        process.start()
        process.join(500)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired([name, *arguments], 500, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess([name, *arguments], process.exitcode, out.read_text(), err.read_text())


class Started:
    """A process that runs `work(*arguments)`, which a child can import, with the verbs of `subprocess.Popen`; stderr goes to its stdout."""

    def __init__(self, work: Callable[..., object], *arguments: object, env: Mapping[str, str] = {}, session: bool = False) -> None:
        reader, writer = SERVER.Pipe(duplex=False)
        self._process = SERVER.Process(target=_child, args=(work, arguments, writer, writer, {**os.environ, **env}, session))
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()))
        reader.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired([str(self._process)], timeout)
        return self._process.exitcode

    def communicate(self, timeout: float) -> str:
        """All that it says until its end."""
        said: list[str] = []
        reading = threading.Thread(target=lambda: said.append(self.stdout.read()), daemon=True)
        reading.start()
        end = time.monotonic() + timeout
        reading.join(timeout)
        if not said:
            raise subprocess.TimeoutExpired([str(self._process)], timeout)
        self.wait(max(1.0, end - time.monotonic()))
        self.stdout.close()
        return said[0]

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join(30)


def script(name: str, *arguments: str) -> None:
    """What `python pipelines/NAME ARGUMENTS` does."""
    path = ROOT / "pipelines" / name
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")


def _child(
    work: Callable[..., object],
    arguments: tuple[object, ...],
    out: str | Connection,
    err: str | Connection,
    env: Mapping[str, str],
    session: bool,
    folder: Path = ROOT,
) -> None:
    """In the new process: what an interpreter does before and after a script."""
    if session:
        os.setsid()
    # Jobs that this process forks come from its own server, as it was meant ("a child process will just reuse the forkserver").
    forkserver._forkserver.ensure_running = resource_tracker.ensure_running  # type: ignore[attr-defined, method-assign]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    for stream, number in ((out, 1), (err, 2)):
        source = os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if isinstance(stream, str) else os.dup(stream.fileno())
        os.dup2(source, number)
        os.close(source)
    for stream in (out, err):
        if isinstance(stream, Connection) and not stream.closed:
            stream.close()
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2))
    if threads := env.get("OMP_NUM_THREADS"):  # which OpenMP has read already
        import torch

        torch.set_num_threads(int(threads))
    try:
        work(*arguments)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()  # multiprocessing's children leave it out, and Ray stops its servers there
