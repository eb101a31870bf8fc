"""Where the numbers of a table came from: commit, machine and config of its runs, as their records or their tags in the store have it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gaitlab.runs.folder import run_folder
from gaitlab.tracking import mlflow_store, provenance
from gaitlab.tracking.record import kept_record
from gaitlab.tracking.runs import NoTracker

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """commit: full hash. hardware: one line. config: fingerprint. dirty: files differed from the commit. "unknown" where no store knows."""

    commit: str = UNKNOWN
    hardware: str = UNKNOWN
    config: str = UNKNOWN
    dirty: bool = False


def of_commit(run: str) -> str:
    """` of commit 0123456789ab`, or nothing where that is not known."""
    commit = origins([run])[run].commit
    return "" if commit == UNKNOWN else f" of commit {commit[:12]}"


def origins(runs: Iterable[str]) -> dict[str, Origin]:
    """Run id -> its origin. A store that is away is asked once; runs without a record that it does not have are unknown."""
    found = dict.fromkeys(runs, Origin())
    recorded = {run: record["tags"] for run in found if run and (record := kept_record(run_folder(run)))}
    found |= {run: _origin(tags) for run, tags in recorded.items()}
    tracked = [run for run in found if run and run not in recorded and not run.startswith(NoTracker.PREFIX)]
    uri = mlflow_store.absolute(mlflow_store.default_uri())
    database = mlflow_store.database_file(uri)
    if not tracked or (database is not None and not database.exists()):
        return found
    try:
        client = mlflow_store.open_store(uri)
        client.search_experiments(max_results=1)
    except Exception:  # noqa: BLE001  (a table is made with or without the store)
        return found
    for run in tracked:
        try:
            stored = mlflow_store.find_run(client, run)
        except Exception:  # noqa: BLE001  (nor does a store that goes away in the middle stop a table)
            continue
        found[run] = _origin(stored.data.tags if stored else {})
    return found


def _origin(tags: Mapping[str, str]) -> Origin:
    machine = all(key in tags for key in ("cpu", "cores", "ram", "gpu"))
    return Origin(
        commit=tags.get("commit", UNKNOWN),
        hardware=provenance.hardware_line(tags) if machine else UNKNOWN,
        config=tags.get("fingerprint", UNKNOWN),
        dirty=tags.get("dirty") == "true",
    )
