from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError, UnusableSourceError
from airflow_provider_octopush.sources.files import File, read_files
from airflow_provider_octopush.text import to_text
from tests.databases import require_package
from tests.sources.reading import MOBILE, everything_in, growth_of_memory_of
from tests.sources.reading import read_file as read

Rows = list[dict[str, Any]]

CELL = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=8)


def parquet(columns: dict[str, list[Any]], **options: Any) -> bytes:
    pyarrow = require_package("pyarrow")
    buffer = io.BytesIO()
    require_package("pyarrow.parquet").write_table(pyarrow.table(columns), buffer, **options)
    return buffer.getvalue()


# JSON lines


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".JSONL"])
def test_values_of_json_lines_are_what_they_are(suffix: str) -> None:
    content = f'{{"phone": {MOBILE}, "name": "Zoé"}}\n\n{{"phone": null}}\n{{"ok": true, "phone": {2**70}}}'.encode()
    assert read(f"a{suffix}", content) == (
        ["phone", "name", "ok"],
        [[MOBILE, "Zoé", None], [None, None, None], [2**70, None, True]],
    )


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("3.36123453E10", PhoneReason.IMPRECISE),
        ("3.36E+10", PhoneReason.IMPRECISE),
        ("336e8", PhoneReason.IMPRECISE),
        ("3.3612345678e10", "+33612345678"),
        ("3.361234567E10", "+33612345670"),
        ("33612345678.0", "+33612345678"),
    ],
)
def test_a_json_number_with_an_exponent_and_few_digits_may_have_lost_some(written: str, number: object) -> None:
    ((phone,),) = read("a.jsonl", f'{{"phone": {written}}}\n'.encode())[1]
    assert PhoneReader("FR").read(phone) == number


@pytest.mark.parametrize(("written", "text"), [("1.2345678E7", "12345678"), ("1e3", "1000"), ("2.5E-1", "0.25")])
def test_elsewhere_a_json_number_with_an_exponent_is_what_it_says(written: str, text: str) -> None:
    assert to_text(read("a.jsonl", f'{{"score": {written}}}\n'.encode())[1][0][0]) == text


def test_json_lines_take_an_encoding() -> None:
    content = '{"name": "Zoé"}\n'.encode("latin-1")
    with pytest.raises(FilesError, match="'encoding'"):
        read("a.jsonl", content)
    assert read("a.jsonl", content, encoding="latin-1")[1] == [["Zoé"]]
    assert read("a.jsonl", b"\xef\xbb\xbf" + b'{"name": "x"}\n')[1] == [["x"]]
    with pytest.raises(FilesError, match=r"keyword argument 'sep'|'sep' is an invalid keyword"):
        read("a.jsonl", content, sep=";")


@pytest.mark.parametrize(
    "content", [b'[{"phone": "Martin"}]', b'{"a": 1}\nMartin\n{"a": 1}\n', b'{"a": 1}\n"Martin"\n']
)
def test_what_is_no_json_line_names_its_line_and_nothing_on_it(content: bytes) -> None:
    with pytest.raises(FilesError, match=r"a\.json, line [12]: this is not a JSON object") as error:
        read("a.json", content)
    assert "Martin" not in everything_in(error.value)


@given(rows=st.lists(st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), st.integers(), CELL)), min_size=1))
def test_whatever_is_written_to_json_lines_is_read_of_them(rows: Rows) -> None:
    content = "\n".join(map(json.dumps, rows)).encode()
    names, values = read("a.jsonl", content)
    assert [{k: v for k, v in zip(names, row, strict=True) if v is not None} for row in values] == [
        {k: v for k, v in row.items() if v is not None} for row in rows
    ]


def test_a_name_that_a_json_line_has_twice_is_an_error() -> None:
    with pytest.raises(FilesError, match=r"^a\.jsonl, line 2: a name is there twice$"):
        read("a.jsonl", b'{"phone": 1}\n{"phone": 2, "phone": 3}\n')


# Parquet


def test_values_of_parquet_are_what_they_are() -> None:
    content = parquet({"phone": [MOBILE, None, 3], "name": ["Zoé", None, "x"]}, row_group_size=2)
    names, rows = read("a.parquet", content, batch_size=2)
    assert (names, rows) == (["phone", "name"], [[MOBILE, "Zoé"], [None, None], [3, "x"]])
    assert type(rows[0][0]) is int


def test_parquet_takes_the_columns_to_read() -> None:
    content = parquet({"phone": [MOBILE], "name": ["Zoé"]})
    assert read("a.parquet", content, columns=["phone"]) == (["phone"], [[MOBILE]])
    with pytest.raises(FilesError, match="unexpected keyword argument 'sep'"):
        read("a.parquet", content, sep=";")


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(FilesError, match=r"a\.parquet needs pyarrow: install airflow-provider-octopush\[parquet\]"):
        read("a.parquet", b"")


def test_a_parquet_file_without_rows_keeps_its_columns() -> None:
    content = parquet({"phone": [], "name": []})
    assert read("a.parquet", content) == (["phone", "name"], [])


def test_a_parquet_file_that_is_damaged_is_named() -> None:
    content = bytearray(parquet({"phone": [f"+3361234{i:04}" for i in range(5_000)]}, compression="snappy"))
    content[200:2_000] = bytes(byte ^ 0x5A for byte in content[200:2_000])
    with pytest.raises(RowsNotReadError, match=r"^a\.parquet is damaged or still being written"):
        read("a.parquet", bytes(content))


def test_data_columns_are_for_files_that_have_no_names() -> None:
    for name, content in (("a.jsonl", b'{"phone": 1}'), ("a.parquet", parquet({"phone": [1]}))):
        with pytest.raises(
            FilesError, match=rf"^{name} is not a CSV, so its columns have names: leave data_columns out$"
        ):
            read(name, content, data_columns=["phone"])


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("options", ["delimiter=;", [";"], 7])
def test_options_are_a_dict(name: str, options: Any) -> None:
    with pytest.raises(FilesError, match=r"^data_options is a (str|list|int): write a dict"):
        list(read_files([File(name, io.BytesIO)], options))


# Any file


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"phone\n1\n"), ("a.jsonl", b'{"phone": "1"}\n')], ids=["CSV", "JSON lines"]
)
def test_a_compressed_file_is_read_as_what_is_in_it(name: str, content: bytes) -> None:
    assert read(f"{name}.gz", gzip.compress(content)) == read(name, content)


CSV_CONTENT = b"phone,name\n" + b"0612345678,Zoe\n" * 100
HALVES: dict[str, tuple[str, bytes]] = {
    "CSV, within quotes": ("a.csv", b'phone,name\n0612345678,"Zo'),
    "CSV, within a row": ("a.csv", b"phone,name\n0612345678"),
    "CSV, compressed": ("a.csv.gz", gzip.compress(CSV_CONTENT)[:-9]),
    "JSON lines": ("a.jsonl", b'{"phone": 1}\n{"phone": '),
    "JSON lines, first": ("a.jsonl", b'{"phone": '),
    "JSON lines, compressed": ("a.jsonl.gz", gzip.compress(b'{"phone": 1}\n')[:-9]),
    "gzip, not a byte": ("a.csv.gz", b""),
    "JSON lines, not a byte": ("a.jsonl.gz", b""),
    "gzip, no beginning": ("a.csv.gz", b"\x1f"),
    "Parquet, no end": ("a.parquet", b"PAR1 and no more"),
    "Parquet, no beginning": ("a.parquet", b""),
}


@pytest.mark.parametrize("kind", HALVES)
def test_a_file_that_ends_in_the_middle_may_be_whole_on_the_next_try(kind: str) -> None:
    if "Parquet" in kind:
        require_package("pyarrow")
    name, content = HALVES[kind]
    with pytest.raises(RowsNotReadError, match="is it still being written"):
        read(name, content)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "phone\n0612345678\n" * 100)
    return buffer.getvalue()


#: What is in a file → what an error says it is.
OTHERS: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(CSV_CONTENT), "compressed with gzip: give it a name that ends in .gz"),
    "ZIP": (zipped("a.csv"), "a ZIP archive, or a workbook such as Excel's: save it as CSV, or compress it with gzip"),
    "Excel 97": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "a workbook, such as Excel's: save it as CSV"),
    "Avro": (b"Obj\x01\x04\x14avro.codec", "an Avro file: write CSV, JSON lines or Parquet"),
    "Parquet": (b"PAR1\x15\x04\x15\x20\x15\x24", "a Parquet file: give it a name that ends in .parquet"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_that_is_something_else_is_named_and_final(name: str, kind: str) -> None:
    content, is_this = OTHERS[kind]
    with pytest.raises(FilesError, match=f"^{name} is {is_this}$") as error:
        read(name, content)
    assert "0612345678" not in everything_in(error.value)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.CSV.GZ", "a.parquet"])
@pytest.mark.parametrize(
    "content",
    [CSV_CONTENT, b"phone", "phone,prénom\n".encode("cp1252"), zipped("a.csv"), bz2.compress(CSV_CONTENT)],
    ids=["text", "one word", "cp1252", "ZIP", "bzip2"],
)
def test_a_file_that_is_not_what_its_name_says_is_final(name: str, content: bytes) -> None:
    require_package("pyarrow")
    with pytest.raises(FilesError, match=f"^the content of {name} is not what its suffix says: rename it") as error:
        read(name, content)
    assert "phone" not in everything_in(error.value)


@pytest.mark.parametrize("name", ["ORCID", "PAR1", "PARENT", "Object", "BZh9", "PK", "7z", "\u03b1\u03b2"])
def test_a_column_may_be_called_as_other_files_begin(name: str) -> None:
    assert read("a.csv", f"{name},é\n1,2\n".encode()) == ([name, "é"], [["1", "2"]])


def test_files_are_read_one_after_the_other_and_opened_only_then() -> None:
    opened: list[str] = []

    def numbered(name: str) -> File:
        def opens() -> io.BytesIO:
            opened.append(name)
            return io.BytesIO(f"phone\n{name}\n".encode())

        return File(f"{name}.csv", opens)

    frames = read_files([numbered("1"), numbered("2")])
    assert opened == []
    assert next(frames).to_numpy().tolist() == [["1"]]
    assert opened == ["1"]
    assert next(frames).to_numpy().tolist() == [["2"]]


def test_a_file_is_closed_also_when_nobody_wants_the_rest() -> None:
    for name, content in (
        ("a.csv", CSV_CONTENT),
        ("a.jsonl", b'{"a": 1}\n' * 9),
        ("a.csv.gz", gzip.compress(CSV_CONTENT)),
    ):
        opened = io.BytesIO(content)
        frames = read_files([File(name, lambda opened=opened: opened)], batch_size=2)  # type: ignore[misc] # bound now
        next(frames)
        frames.close()
        assert opened.closed


@pytest.mark.parametrize("name", ["a.txt", "0000_part_00", "a.xlsx", "csv", "a.parquet.gz"])
def test_a_file_of_another_kind_is_never_passed_over(name: str) -> None:
    with pytest.raises(FilesError, match=r"has none of the suffixes \.csv, .*glob"):
        read(name, b"phone\n1\n")


def test_what_files_are_not_is_final() -> None:
    assert issubclass(FilesError, UnusableSourceError)


def csv_of(rows: int) -> bytes:
    return b"phone,name\n" + b"".join(b"%d,%s\n" % (MOBILE + i, b"x" * 200) for i in range(rows))


def jsonl_of(rows: int) -> bytes:
    return b"".join(b'{"phone": %d, "name": "%s"}\n' % (MOBILE + i, b"x" * 200) for i in range(rows))


def parquet_of(rows: int) -> bytes:
    names = [f"{i:0200}" for i in range(rows)]
    return parquet({"phone": list(range(rows)), "name": names}, row_group_size=10_000)


MAKES: dict[str, Callable[[int], bytes]] = {
    "a.csv": csv_of,
    "a.csv.gz": lambda rows: gzip.compress(csv_of(rows), 1),
    "a.jsonl": jsonl_of,
    "a.parquet": parquet_of,
}


@pytest.mark.parametrize("name", MAKES)
def test_a_large_file_is_read_in_bounded_memory(name: str, tmp_path: Path) -> None:
    rows = int(os.environ.get("STREAMED_ROWS", "100000"))
    for size, folder in ((20_000, "small"), (rows, "large")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(MAKES[name](size))
    frames = (
        "from airflow_provider_octopush.sources.files import File, read_files\n"
        f"frames = lambda which: read_files([File({name!r}, lambda: open(f'{tmp_path}/{{which}}/{name}', 'rb'))])"
    )
    # The smaller of two: now and then, an allocator keeps what it need not. Read whole, each would be 30 MB at least.
    assert min(growth_of_memory_of(frames, rows) for _ in range(2)) < 16 * 2**20
