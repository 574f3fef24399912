from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.exceptions import TableFormatError
from airflow_provider_octopush.sources.data_path import find_files

#: What an engine leaves beside the data, and where the data is.
TABLES = {
    "Delta Lake": ("_delta_log/00000000000000000000.json", ""),
    "Hudi": (".hoodie/hoodie.properties", ""),
    "Iceberg": ("metadata/00000-9c12d441-03fe-4693-9a96-a0705ddf69c1.metadata.json", "data/"),
    "Paimon": ("schema/schema-0", "bucket-0/"),
}
ICEBERGS = [f"metadata/{name}.metadata.json" for name in ("v1", "v12.gz", "00001-a")] + ["metadata/v3.metadata.json.gz"]

Write = Callable[[str], None]


@pytest.fixture(params=["local", "local, as a URL", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Write]]:
    """Where files are, and what writes one."""
    if request.param == "S3":
        bucket = request.getfixturevalue("s3")
        endpoint = request.getfixturevalue("s3_endpoint")
        files: Any = fsspec.filesystem(
            "s3", key="test", secret="test", endpoint_url=endpoint, skip_instance_cache=True, use_listings_cache=False
        )
        name = bucket.rpartition("@")[2]
        yield f"{bucket}/lake", lambda path: files.pipe(f"{name}/lake/{path}", b"x")
        return

    def write(path: str) -> None:
        (tmp_path / "lake" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lake" / path).write_text("x")

    yield f"{'file://' if 'URL' in request.param else ''}{tmp_path}/lake", write


def refused(path: str) -> str:
    with pytest.raises(TableFormatError) as error:
        find_files(path)
    return str(error.value)


#: Ways to point at files of a table in the folder customers; {} is where its data is.
PATHS = [
    "customers",
    "customers/",
    "customers/{}country=FR",
    "customers/{}country=FR/part-0.parquet",
    "customers/{}country=FR/*.parquet",
    "customers/{}country=FR/p*",
    "customers/{}country=*/*.parquet",
    "customers/{}cou*/p*.parquet",
    "customers/**/*.parquet",
    "customers/**",
    "cust*/{}*/part-?.parquet",
    "*/{}country=FR/part-0.parquet",
    "[c]ustomers/{}country=FR/part-0.parquet",
    "",
    "**/*.parquet",
    "**",
]


@pytest.mark.parametrize("kind", TABLES)
def test_files_of_a_table_are_refused_however_they_are_pointed_at(store: tuple[str, Write], kind: str) -> None:
    root, write = store
    log, data = TABLES[kind]
    for name in (log, f"{data}country=FR/part-0.parquet", f"{data}country=DE/part-1.parquet"):
        write(f"customers/{name}")
    write("exports/a.parquet")
    for path in PATHS:
        message = refused(f"{root}/{path.format(data)}")
        assert f"files of a table that {kind} keeps (" in message
        assert (
            "/lake/customers'), and such files may hold rows that were deleted since: read the table with sql=…"
            in message
        )
    # What is beside it can be read.
    for path in ("exports", "[e]xports/*.parquet", "e*/a.parquet", "*/a.parquet"):
        assert len(find_files(f"{root}/{path}")) == 1


@pytest.mark.parametrize("log", ICEBERGS)
def test_iceberg_is_known_by_any_of_its_metadata(tmp_path: Path, log: str) -> None:
    for name in (log, "data/a.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert "a table that Iceberg keeps (metadata is in" in refused(str(tmp_path / "data"))


def test_a_folder_of_hudis_partition_is_known_where_its_table_cannot_be_seen(tmp_path: Path) -> None:
    (tmp_path / ".hoodie_partition_metadata").touch()
    (tmp_path / "a.parquet").touch()
    assert "Hudi keeps (.hoodie_partition_metadata is in" in refused(str(tmp_path))


@pytest.mark.parametrize("path", ["linked", "linked/*.csv", "linked/a.csv", "folder", "folder/a.csv", "fold*/*.csv"])
def test_a_link_into_a_table_hides_nothing(tmp_path: Path, path: str) -> None:
    table = tmp_path / "table"
    (table / "_delta_log").mkdir(parents=True)
    (table / "country=FR").mkdir()
    (table / "country=FR" / "a.csv").touch()
    (tmp_path / "linked").symlink_to(table / "country=FR")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").symlink_to(table / "country=FR" / "a.csv")
    assert "Delta Lake" in refused(f"{tmp_path}/{path}")


@pytest.mark.parametrize(
    "beside",
    [
        "metadata/columns.json",
        "metadata.json",
        "delta_log/0.json",
        "_delta_logs/0.json",
        "hoodie/x.csv",
        "schema/customers.csv",
        "metadata/2026/v1.metadata.json",
        "_temporary/table/_delta_log/0.json",
        ".staging/table/.hoodie/hoodie.properties",
    ],
)
def test_what_only_looks_like_a_table_is_read(store: tuple[str, Write], beside: str) -> None:
    root, write = store
    write("a.csv")
    write(beside)
    for path in ("", "/*.csv", "/a.csv"):
        assert f"{root.rpartition('@')[2].removeprefix('file://')}/a.csv" in " ".join(
            name for name, _ in find_files(f"{root}{path}")
        )


@given(
    above=st.lists(st.sampled_from(["a", "b=1", "_c=2", "[x]", "d e"]), max_size=3),
    below=st.lists(st.sampled_from(["a", "b=1", "_c=2", "[x]", "d e"]), max_size=3),
    kind=st.sampled_from(sorted(TABLES)),
    depth=st.integers(0, 7),
    has_table=st.booleans(),
)
def test_a_table_is_seen_from_any_folder_above_and_below_it(
    tmp_path_factory: pytest.TempPathFactory, above: list[str], below: list[str], kind: str, depth: int, has_table: bool
) -> None:
    root = tmp_path_factory.mktemp("lake")
    table = root.joinpath(*above)
    file = table.joinpath(*below, "part-0.csv")
    log = table / TABLES[kind][0]
    for path in (file, *([log] if has_table else [])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    parts = [*above, *below, "part-0.csv"][:depth]
    if has_table:
        assert f"({log.parent.name} is in {str(table)!r})" in refused(str(root.joinpath(*parts)))
    else:
        assert len(find_files(str(root.joinpath(*parts)))) == 1


class Denying(fsspec.AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """A store that shows one folder, and nothing above it."""

    protocol = "denying"
    cachable = False
    error: Exception = PermissionError("Access Denied")

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        path = self._strip_protocol(path)
        if path != "bucket/mine":
            if path.startswith("bucket/mine"):
                raise FileNotFoundError(path)
            raise self.error
        file = {"name": "bucket/mine/a.csv", "size": 1, "type": "file"}
        return [file] if detail else [file["name"]]

    def info(self, path: str, **_: Any) -> Any:
        path = self._strip_protocol(path)
        return {"name": path, "size": 0, "type": "directory" if path == "bucket/mine" else "file"}


class HttpError(Exception):
    """As stores raise it."""

    def __init__(self, code: int) -> None:
        super().__init__("no")
        self.code = code


@pytest.fixture
def denying(monkeypatch: pytest.MonkeyPatch) -> Denying:
    store = Denying()
    monkeypatch.setattr(
        "airflow_provider_octopush.sources.data_path._store", lambda _: (store, "bucket/mine", lambda file: file)
    )
    return store


@pytest.mark.parametrize("error", [PermissionError(), HttpError(403), HttpError(401), OSError("Forbidden: o/bucket")])
def test_what_a_login_may_not_see_is_not_looked_at(denying: Denying, error: Exception) -> None:
    denying.error = error
    assert [name for name, _ in find_files("denying://bucket/mine")] == ["denying://bucket/mine/a.csv"]


@pytest.mark.parametrize("error", [ConnectionError("gone"), HttpError(503), OSError("5xx")])
def test_a_store_that_fails_while_it_is_looked_at_is_no_store_without_tables(
    denying: Denying, error: Exception
) -> None:
    denying.error = error
    with pytest.raises(type(error)):
        find_files("denying://bucket/mine")
