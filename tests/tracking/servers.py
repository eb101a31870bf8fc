"""Real stores that tests start: MLflow's server, PostgreSQL."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gaitlab.tracking.mlflow_store import open_store


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def migrated(database: Path) -> None:
    """Put an empty MLflow store there; its tables are made (2-5 s) once a session."""
    empty = Path(os.environ["GAITLAB_TESTS_HOME"]) / "empty.db"
    if not empty.exists():
        open_store(f"sqlite:///{empty}")
    shutil.copy(empty, database)


class MlflowServer:
    """`mlflow server` on a SQLite file in `folder`, in a process group of its own; the same port after every start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        command = [Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        store = ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--artifacts-destination", str(self.folder / "artifacts")]
        quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *store], cwd=self.folder, env=quiet, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except OSError:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.1)
        raise TimeoutError((self.folder / "server.log").read_text())

    def signal(self, number: signal.Signals) -> None:
        """To all its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)


def postgres_programs() -> Path | None:
    """Folder of initdb and postgres, None where there are none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def postgres(programs: Path, folder: Path) -> Iterator[str]:
    """URI of an empty database in a new cluster under `folder`; as root it runs as the user postgres or nobody, since it refuses root."""
    port, user = free_port(), None
    data = folder / "cluster"
    data.mkdir(mode=0o700, parents=True)
    if os.getuid() == 0:
        import pwd

        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(data, user)
        for above in list(data.parents)[:-2]:  # pytest's folders are its owner's only
            above.chmod(above.stat().st_mode | 0o011)
    secret = data.parent / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o644)
    make = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "gait",
        f"--pwfile={secret}",
        "-A",
        "scram-sha-256",
        "--no-sync",
        "--locale=C",
        "-E",
        "UTF8",
    ]
    subprocess.run(make, user=user, cwd="/", check=True, capture_output=True)
    run = [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", data, "-F"]
    with (folder / "postgres.log").open("wb") as log:
        server = subprocess.Popen(run, user=user, cwd="/", stdout=log, stderr=log)
    try:
        for _ in range(300):
            ready = subprocess.run([programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], capture_output=True)
            if ready.returncode == 0:
                break
            assert server.poll() is None, (folder / "postgres.log").read_text()
            time.sleep(0.1)
        yield f"postgresql://gait:s3cret@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # its "fast" shutdown
        server.wait(30)
