from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from airflow_provider_octopush.exceptions import SupersededError
from airflow_provider_octopush.snapshot.path_store import open_store
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore
from tests.snapshot.snapshots import held, open_snapshot, record


@pytest.fixture(params=["local", "file URI", "S3"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a path in each kind of place that a snapshot can be in."""
    if request.param == "S3":
        return f"{request.getfixturevalue('s3')}/octopush/lists/customers.snapshot"
    local = tmp_path / "octopush" / "lists" / "customers.snapshot"
    return str(local) if request.param == "local" else local.as_uri()


def test_a_snapshot_is_kept_from_one_night_to_the_next(path: str) -> None:
    for night in range(4):
        with open_snapshot(open_store(path), f"run {night}") as snapshot:
            assert held(snapshot) == set(range(100, 100 + night))
            record(snapshot, {100 + night: "x"})
            snapshot.flush()
            assert len(open_store(path).entries()) == 2 + (night > 0)
            snapshot.replace()
        assert open_store(path).entries() == ["head"]


def test_what_a_killed_run_noted_is_found(path: str) -> None:
    killed = open_snapshot(open_store(path))
    record(killed, {101: "x"})
    killed.flush()
    del killed
    with open_snapshot(open_store(path), "run 2") as snapshot:
        assert held(snapshot) == {101}


def test_two_runs_at_a_time_are_found_out(path: str) -> None:
    first, second = open_snapshot(open_store(path)), open_snapshot(open_store(path), "run 2")
    assert len(open_store(path).entries()) == 2
    with pytest.raises(SupersededError):
        first.replace()
    second.replace()
    first.close()
    second.close()


def test_what_is_not_there_is_no_error(path: str) -> None:
    store = open_store(path)
    assert store.fetch() is None
    assert store.fetch_beginning() is None
    assert store.entries() == []
    assert store.fetch_entry("nothing") is None
    store.remove_entries(["nothing"])


def test_an_upload_that_fails_leaves_the_old_snapshot_in_place(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(path)
    store.put(_file(b"old"))

    def fail(*_: object, **__: object) -> None:
        raise OSError("no more room")

    if path.startswith("s3"):
        monkeypatch.setattr("s3fs.core.S3FileSystem._call_s3", fail)
    else:
        monkeypatch.setattr("shutil.copyfileobj", fail)
    with pytest.raises(OSError, match="no more room"):
        store.put(_file(b"new" * 1000))
    monkeypatch.undo()
    assert _content(open_store(path)) == b"old"


def test_a_local_snapshot_is_its_owners_affair(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        path = tmp_path / "new" / "folder" / "customers.snapshot"
        with open_snapshot(open_store(str(path))) as snapshot:
            record(snapshot, {101: "x"})
            snapshot.flush()
            journal = path.with_name("customers.snapshot.journal")
            files = list(journal.iterdir())
            snapshot.replace()
            assert len(files) == 2
        for file in (path, *journal.iterdir()):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for folder in (path.parent, path.parent.parent, journal):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(previous)


def _killed_while_writing(write: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _killed)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            write()


def _killed(_: int) -> None:
    raise KeyboardInterrupt


def test_what_a_killed_process_left_behind_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path / "customers.snapshot"))
    store.put_entry("a-000000", _file(b"whole"))
    _killed_while_writing(lambda: store.put(_file(b"half")), monkeypatch)
    _killed_while_writing(lambda: store.put_entry("b-000001", _file(b"half")), monkeypatch)
    assert sum(path.name.startswith(".") for path in tmp_path.rglob("*")) == 2
    store.put(_file(b"whole"))
    store.remove_entries([])
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["customers.snapshot", "customers.snapshot.journal/a-000000"]


def test_what_belongs_to_a_neighbour_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neighbour = open_store(str(tmp_path / "customers.fr"))
    _killed_while_writing(lambda: neighbour.put(_file(b"half")), monkeypatch)
    (tmp_path / ".customers.bak").write_text("kept")
    there = set(tmp_path.iterdir())
    open_store(str(tmp_path / "customers")).put(_file(b"whole"))
    assert there < set(tmp_path.iterdir())


def _file(content: bytes) -> IO[bytes]:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed when nobody has it any more
    file.write(content)
    file.flush()
    return file


def _content(store: SnapshotStore) -> bytes:
    file: Any = store.fetch()
    with file:
        file.seek(0)
        content: bytes = file.read()
    return content
