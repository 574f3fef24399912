from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.paths import object_path
from airflow_provider_octopush.sources.data_path import find_files
from airflow_provider_octopush.sources.errors import FilesError
from tests.object_storage import BUCKET


def found(path: str, root: Path) -> list[str]:
    """Names below a folder, each of which can be opened and read."""
    files = find_files(path)
    for name, opened in files:
        with opened() as file:
            assert file.read().decode() == Path(name.removeprefix("file://")).name
    return [name.removeprefix(f"file://{root}/") for name, _ in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["b.csv", "a.csv", "c=1/x.csv", "c=1/d/y.csv", "z.jsonl", "_p=1/_q=2/w.csv"]
    markers = ["_SUCCESS", ".a.csv.crc", "_temporary/0/a.csv", "c=1/_started_7", ".hidden/a.csv"]
    markers += ["_p=1/_SUCCESS", "_p=1/_a=b.csv", ".p=1/a.csv", "_p=1/_temporary/a.csv"]
    for name in (*names, *markers):
        path = tmp_path / "unload" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    return tmp_path / "unload"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ["_p=1/_q=2/w.csv", "a.csv", "b.csv", "c=1/d/y.csv", "c=1/x.csv", "z.jsonl"]),
        ("/", ["_p=1/_q=2/w.csv", "a.csv", "b.csv", "c=1/d/y.csv", "c=1/x.csv", "z.jsonl"]),
        ("/a.csv", ["a.csv"]),
        ("/_SUCCESS", ["_SUCCESS"]),
        ("/?.*", ["a.csv", "b.csv", "z.jsonl"]),
        ("/*.csv", ["a.csv", "b.csv"]),
        ("/[ab].csv", ["a.csv", "b.csv"]),
        ("/_p=1", ["_p=1/_q=2/w.csv"]),
        ("/c=*/?.csv", ["c=1/x.csv"]),
        ("/c=1/**/*.csv", ["c=1/d/y.csv", "c=1/x.csv"]),
        ("/c=1/**", ["c=1/d/y.csv", "c=1/x.csv"]),
        ("/**/*.csv", ["_p=1/_q=2/w.csv", "a.csv", "b.csv", "c=1/d/y.csv", "c=1/x.csv"]),
        ("/*/*.csv", ["c=1/x.csv"]),
        ("/_temporary/0/*", ["_temporary/0/a.csv"]),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_a_folder_or_a_glob_gives_its_files_in_order(
    folder: Path, scheme: str, path: str, expected: list[str]
) -> None:
    assert found(f"{scheme}{folder}{path}", folder) == expected


@pytest.mark.parametrize("path", ["/*", "/c*", "/c=1/*", "/**/d", "/**/*=1*"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_that_a_glob_matches_is_not_passed_over(folder: Path, scheme: str, path: str) -> None:
    (folder / "c1.csv").write_text("c1.csv")
    with pytest.raises(FilesError, match=r"also matches the folder (c=1|d), of which it takes no file"):
        find_files(f"{scheme}{folder}{path}")


def test_a_folder_that_holds_no_data_may_be_matched(folder: Path) -> None:
    (folder / "a.empty").mkdir()
    (folder / "a.marker").mkdir()
    (folder / "a.marker" / "_SUCCESS").touch()
    assert found(f"{folder}/a.*", folder) == ["a.csv"]


def cannot_be_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder fail as one on a network does; whoever runs the tests may read all folders of this machine."""
    scandir = os.scandir

    def fails(path: Any) -> Any:
        if os.fspath(path) == str(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fails)


@pytest.mark.parametrize("path", ["", "/c=*/*.csv", "/*=*/?.csv", "/**/*.csv", "/**"])
@pytest.mark.parametrize("broken", ["c=1", ".", "c=1/d"])
def test_a_folder_that_cannot_be_listed_is_an_error_and_not_empty(
    folder: Path, path: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cannot_be_listed(folder / broken, monkeypatch)
    if broken == "c=1/d" and path in ("/c=*/*.csv", "/*=*/?.csv"):
        assert find_files(f"{folder}{path}"), "it is deeper than any file that the glob matches"
        return
    with pytest.raises(OSError, match="Input/output error"):
        find_files(f"{folder}{path}")


@pytest.mark.parametrize(
    ("path", "broken"), [("", ".hidden"), ("", "_temporary"), ("/*.csv", "c=1"), ("/_*/*/*", "c=1")]
)
def test_a_folder_without_any_of_the_files_need_not_be_listed(
    folder: Path, path: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cannot_be_listed(folder / broken, monkeypatch)
    assert find_files(f"{folder}{path}")


def test_a_glob_looks_no_deeper_than_a_table_may_be_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "c=1" / "d" / "e").mkdir()
    scandir = os.scandir
    looked_at = []

    def noted(path: Any) -> Any:
        looked_at.append(os.path.relpath(path, folder))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    assert find_files(f"{folder}/*.csv")
    assert "c=1" in looked_at
    assert "c=1/d" not in looked_at


def test_the_mark_of_a_folder_in_an_object_storage_is_no_file(s3: str, s3_endpoint: str) -> None:
    import boto3

    client: Any = boto3.client(
        "s3", endpoint_url=s3_endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-3"
    )
    for name in ("", "c=1/", "c=1", "c=1/a.csv"):
        client.put_object(Bucket=BUCKET, Key=f"unload/{name}", Body=b"a.csv" if name.endswith("v") else b"")
    assert len(find_files(f"{s3}/unload")) == len(find_files(f"{s3}/unload/*/*")) == 1


@pytest.mark.parametrize("names", [("a.csv", "/b.csv"), ("a.csv", "c//b.csv"), ("a.csv", "a.csv/b.csv")])
@pytest.mark.parametrize("path", ["", "/**", "/a.csv"])
def test_two_things_of_one_name_in_an_object_storage_are_an_error(s3: str, names: tuple[str, str], path: str) -> None:
    place = object_path(f"{s3}/unload")
    for name in names:
        place.fs.pipe_file(f"{place.path}/{name}", b"a.csv")
    if path == "/a.csv" and "a.csv/b.csv" not in names:
        assert len(find_files(f"{s3}/unload{path}")) == 1
        return
    with pytest.raises(FilesError, match="only one of them can be read"):
        find_files(f"{s3}/unload{path}")


def test_an_object_is_read_where_nothing_may_be_listed(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = object_path(f"{s3}/unload/a.csv")
    place.write_bytes(b"a.csv")

    async def fails(*_: Any, **__: Any) -> Any:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(place.fs), "_lsdir", fails)
    (file,) = find_files(f"{s3}/unload/a.csv")
    with file.open() as opened:
        assert opened.read() == b"a.csv"


@pytest.mark.parametrize("path", ["/*.csv", "/*/*.csv"])
def test_what_an_object_storage_does_not_list_is_an_error_too(
    s3: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = object_path(f"{s3}/unload")
    for name in ("c=1/a.csv", "c=2/a.csv", "a.csv"):
        (place / name).write_bytes(b"a.csv")
    assert find_files(f"{s3}/unload{path}")
    ls = type(place.fs)._lsdir

    async def fails(self: Any, at: str, *args: Any, **kwargs: Any) -> Any:
        if at.rstrip("/").endswith(("c=2", "unload") if path == "/*.csv" else "c=2"):
            raise PermissionError("Access Denied")
        return await ls(self, at, *args, **kwargs)

    monkeypatch.setattr(type(place.fs), "_lsdir", fails)
    with pytest.raises(PermissionError):
        find_files(f"{s3}/unload{path}")


@pytest.mark.parametrize("path", ["/*/*.csv", "/?=*/*.csv", "/**/*.csv", "/*"])
def test_a_link_to_a_folder_is_not_passed_over_by_a_glob(folder: Path, path: str) -> None:
    (folder / "c=1").rename(folder.parent / "elsewhere")
    (folder / "c=1").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(FilesError, match="leads through c=1, a link to a folder"):
        find_files(f"{folder}{path}")
    assert found(f"{folder}/c=1/*.csv", folder) == ["c=1/x.csv"]
    assert found(f"{folder}/*.csv", folder) == ["a.csv", "b.csv"]


def test_a_link_to_a_file_is_a_file(folder: Path) -> None:
    (folder / "c=1" / "z.csv").symlink_to(folder / "z.csv")
    (folder / "z.csv").write_text("z.csv")
    assert found(f"{folder}/c=1/*.csv", folder) == ["c=1/x.csv", "c=1/z.csv"]


@given(name=st.text(st.sampled_from("ab%#?[]*+&=;{}~ é"), min_size=1, max_size=6).filter(str.strip))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_a_name_with_any_sign_is_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.csv"
    path.write_text(path.name)
    assert [Path(found).name for found, _ in find_files(str(path))] == [path.name]
    path.unlink()


@pytest.mark.parametrize("path", ["none.csv", "none", "*.csv", "markers"])
def test_no_file_is_an_error_and_not_no_rows(tmp_path: Path, path: str) -> None:
    (tmp_path / "markers").mkdir()
    (tmp_path / "markers" / "_SUCCESS").touch()
    with pytest.raises(FileNotFoundError, match="there is no file at data_path"):
        find_files(f"{tmp_path}/{path}")
