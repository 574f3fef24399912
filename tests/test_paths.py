from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_octopush.exceptions import MissingProviderError
from airflow_provider_octopush.paths import local_path, object_path, put_object, uri_of
from airflow_provider_octopush.snapshot.path_store import open_store


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/a/b.csv", "/a/b.csv"),
        ("a#b%20c.csv", "a#b%20c.csv"),
        ("~/a.csv", f"{Path.home()}/a.csv"),
        ("file:///a/b%20c#d?.csv", "/a/b c#d?.csv"),
        ("s3://conn_id@bucket/a.csv", None),
    ],
)
def test_a_path_is_on_this_machine_or_a_uri(path: str, local: str | None) -> None:
    assert local_path(path) == (None if local is None else Path(local))
    assert uri_of(path) == (path if local is None else Path(local).absolute().as_uri())


@pytest.mark.parametrize("open_at", [object_path, open_store])
def test_what_is_missing_to_open_a_uri_is_said(open_at: object) -> None:
    assert callable(open_at)
    with pytest.raises(MissingProviderError, match=r"opens 'nfs4://b/a': for nfs4://, install the Airflow provider"):
        open_at("nfs4://b/a")


def test_a_bucket_that_is_not_there_is_not_made(s3: str, tmp_path: Path) -> None:
    """It would hold what is personal, without the settings of the one that was meant."""
    file = tmp_path / "file"
    file.write_text("x")
    there, mistyped = object_path(f"{s3}/new/folder/a.csv"), object_path("s3://object_storage@mistyped/a.csv")
    put_object(file, there)
    assert there.read_text() == "x"
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        put_object(file, mistyped)
    assert not mistyped.fs.exists("mistyped")
