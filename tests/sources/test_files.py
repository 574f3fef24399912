from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError, UnusableSourceError
from airflow_provider_octopush.sources.files import File, read_files
from airflow_provider_octopush.values import fold_name, to_text
from tests.databases import require_package
from tests.sources.reading import MOBILE, everything_in, growth_of_memory_of

Rows = list[dict[str, Any]]


def file(name: str, content: bytes) -> File:
    return File(name, lambda: io.BytesIO(content))


def read(name: str, content: bytes, batch_size: int = 1_000, **options: Any) -> tuple[list[str], list[list[Any]]]:
    names: list[str] = []
    rows: list[list[Any]] = []
    for frame in read_files([file(name, content)], options, batch_size=batch_size):
        assert set(frame.dtypes) <= {np.dtype(object)}
        assert frame.index.tolist() == list(range(len(frame)))
        assert len(frame) <= batch_size
        names = list(frame.columns)
        rows.extend(frame.to_numpy().tolist())
    return names, rows


def parquet(columns: dict[str, list[Any]], **options: Any) -> bytes:
    pyarrow = require_package("pyarrow")
    buffer = io.BytesIO()
    require_package("pyarrow.parquet").write_table(pyarrow.table(columns), buffer, **options)
    return buffer.getvalue()


# CSV


def test_cells_of_a_csv_are_text_and_nothing_else() -> None:
    content = 'phone,name,tier\n0612345678,Zoé,NA\n33612345678.0,nan,\n1e5,"O\'Brien, Zoë\nx",null\n'.encode()
    assert read("a.csv", content) == (
        ["phone", "name", "tier"],
        [["0612345678", "Zoé", "NA"], ["33612345678.0", "nan", ""], ["1e5", "O'Brien, Zoë\nx", "null"]],
    )


def test_a_byte_order_mark_does_no_harm() -> None:
    for names in (b"phone,name", b'"phone","name"'):
        assert read("a.csv", b"\xef\xbb\xbf" + names + b"\n1,2\n") == (["phone", "name"], [["1", "2"]])


def test_columns_of_the_same_name_keep_it() -> None:
    assert read("a.csv", b"phone,phone,\n1,2,3\n") == (["phone", "phone", ""], [["1", "2", "3"]])


@pytest.mark.parametrize("row", [b"1", b"1,2,3"])
@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("behind", [0, 5])
def test_rows_that_are_longer_or_shorter_than_the_names_are_an_error(row: bytes, before: int, behind: int) -> None:
    content = b"phone,name\n" + b"1,b\n" * before + row + b"\n" + b"1,b\n" * behind
    with pytest.raises(
        FilesError, match=rf"^a\.csv cannot be read .* line {before + 2}: a row of [13] cells, and the first row has 2$"
    ):
        read("a.csv", content)


def test_a_csv_that_ends_within_its_last_cell_looks_whole_unless_it_is_compressed() -> None:
    content = b"name,phone\nAna,0612345678\n"
    assert read("a.csv", content[:-4])[1] == [["Ana", "0612345"]]
    with pytest.raises(RowsNotReadError, match="ends in the middle"):
        read("a.csv.gz", gzip.compress(content)[:-4])


def test_rows_are_looked_at_also_where_a_delimiter_is_none() -> None:
    with pytest.raises(FilesError, match="line 2: a row of 1 cells, and the first row has 2"):
        read("a.csv", b"phone,name\n1\n", delimiter=None)


def test_cells_are_text_also_where_the_type_of_another_column_is_given() -> None:
    content = b"phone,zip,age\n+33612345678,007,7\n"
    assert read("a.csv", content, dtype={"zip": "str"})[1] == [["+33612345678", "007", "7"]]
    assert read("a.csv", content, dtype={"age": "int64"})[1] == [["+33612345678", "007", 7]]


@pytest.mark.parametrize("names", [["phone", "tier"], ["phone", "tier", "name", "more"]])
def test_as_many_names_as_cells_are_given_or_none(names: list[str]) -> None:
    with pytest.raises(FilesError, match=r"the first row has 3 cells, and names in data_options are [24]"):
        read("a.csv", "Zoé,0612345678,x\n".encode(), names=names, header=None)
    assert read("a.csv", b"1,2,3\n", names=["a", "b", "c"], header=None) == (["a", "b", "c"], [["1", "2", "3"]])
    assert read("a.csv", b"1,2,3\n", names=["a", "b"], usecols=[0, 1], header=None)[0] == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    [
        '1,"Zoé\n2,Bob\n3,"Ana\n4,Ann\n',
        '1,"Zoé" \n',
        '1,"Zoé"Martin\n',
        '1,Zoé "Zo"\n',
        '1, "Zoé"\n',
    ],
)
def test_a_quote_out_of_place_is_an_error_and_swallows_no_row(content: str) -> None:
    with pytest.raises(FilesError, match=r"^a\.csv cannot be read .* line [2-4]: .*'quoting': 3") as error:
        read("a.csv", f"phone,name\n{content}".encode())
    assert "Zoé" not in everything_in(error.value)


def test_where_quotes_are_text_they_are_read_as_such() -> None:
    assert read("a.csv", b'phone,name\n1,"Zoe\n2,5" x\n', quoting=csv.QUOTE_NONE)[1] == [["1", '"Zoe'], ["2", '5" x']]
    assert read("a.csv", b'phone,name\n1, "Zoe, x"\n', skipinitialspace=True)[1] == [["1", "Zoe, x"]]


def test_an_empty_line_is_a_row_where_there_is_one_column() -> None:
    assert read("a.csv", b"phone\n1\n\n  \r\n2\n\n")[1] == [["1"], [""], [""], ["2"], [""]]
    assert read("a.csv", b"phone,name\n1,2\n\n3,4\n\n")[1] == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("batch_size", [1, 1_000])
def test_as_many_rows_are_read_as_are_asked_for(batch_size: int) -> None:
    for rows in (1, 2):
        assert (
            read("a.csv", b"phone,name\n1,2\n3,4\n5,6\n", batch_size, nrows=rows)[1] == [["1", "2"], ["3", "4"]][:rows]
        )


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_names_the_option(separator: str, word: str) -> None:
    content = separator.join(["phone", "name\n1", "Zoé\n"]).encode()
    with pytest.raises(FilesError, match=rf"one column, and {word} in its name: write data_options=.'sep': ") as error:
        read("a.csv", content)
    assert "Zoé" not in everything_in(error.value)
    assert read("a.csv", content, sep=separator) == (["phone", "name"], [["1", "Zoé"]])


def test_one_column_is_a_csv() -> None:
    assert read("a.csv", b"phone\n0612345678\n") == (["phone"], [["0612345678"]])


def test_another_encoding_names_the_option() -> None:
    content = "phone,name\n1,Zoé Martin\n".encode("latin-1")
    with pytest.raises(
        FilesError, match=r"a\.csv is not in the encoding .* write data_options=\{'encoding': …\}"
    ) as error:
        read("a.csv", content)
    assert "Martin" not in everything_in(error.value)
    assert read("a.csv", content, encoding="latin-1")[1] == [["1", "Zoé Martin"]]


def test_an_encoding_that_is_wrong_only_at_the_end_is_an_error_too() -> None:
    content = b"phone\n" + b"0612345678\n" * 200_000 + "Zoé\n".encode("latin-1")
    with pytest.raises(FilesError, match="encoding"):
        read("a.csv", content)


def test_options_go_to_the_reader_as_they_are() -> None:
    content = b"# made by hand\n0612345678;Zoe\n"
    assert read("a.csv", content, sep=";", comment="#", header=None, names=["phone", "name"]) == (
        ["phone", "name"],
        [["0612345678", "Zoe"]],
    )
    assert read("a.csv", b"phone,name\n0612,Zoe\n", usecols=["name"]) == (["name"], [["Zoe"]])
    assert read("a.csv", b"phone,name\n'06,12',Zoe\n", quotechar="'")[1] == [["06,12", "Zoe"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";"}, "separator"),
        ({"encoding": "klingon"}, "klingon"),
        ({"dtype": {"name": "int"}}, "its words are left out"),
        ({"chunksize": 5}, "data_options has 'chunksize': leave it out"),
        ({"compression": "zip"}, "data_options has 'compression': leave it out, a file that is compressed is a .gz"),
        ({"iterator": True}, "data_options has 'iterator': leave it out"),
        ({"dialect": "excel-tab"}, "data_options has 'dialect': leave it out, say one by one what differs"),
        ({"index_col": False}, "data_options has 'index_col': leave it out, each column stays one"),
    ],
)
def test_options_that_the_reader_does_not_take_are_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FilesError, match=message) as error:
        read("a.csv", "phone,name\n1,Zoé\n".encode(), **options)
    assert "Zoé" not in everything_in(error.value)


@pytest.mark.parametrize("kind", [None, "category", pd.CategoricalDtype(["1"]), {"phone": "category"}, {"phone": None}])
def test_no_type_and_categories_leave_cells_as_they_are(kind: Any) -> None:
    assert read("a.csv", b"phone,n\n0612345678,007\n", dtype=kind)[1] == [["0612345678", "007"]]


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": {"name": "int64"}},
        {"converters": {"phone": {}.__getitem__}},
        {"converters": {"phone": lambda cell: [][int(cell)]}},
        {"converters": {"phone": lambda cell: cell + int(cell)}},
        {"converters": {"phone": lambda cell: getattr(cell, cell)}},
    ],
    ids=["no integer", "KeyError", "IndexError", "TypeError", "AttributeError"],
)
def test_what_a_type_or_a_converter_says_of_a_cell_is_not_told(options: dict[str, Any]) -> None:
    with pytest.raises(FilesError, match=r"cannot be read with these data_options: [A-Za-z]+; its words") as error:
        read("a.csv", b"phone,name\n33612345678,Anna\n", **options)
    assert "33612345678" not in everything_in(error.value)
    assert "Anna" not in everything_in(error.value)


@pytest.mark.parametrize("kind", ["int8", "int32", "uint32", "Int32", "UInt16", np.int16, "int64"])
def test_an_integer_is_the_number_that_is_in_the_cell_however_narrow_its_type(kind: Any) -> None:
    assert read("a.csv", b"phone,n\n33612345678,007\n", dtype={"phone": kind})[1] == [[33612345678, "007"]]
    with pytest.raises(FilesError, match="cannot be read with these data_options") as error:
        read("a.csv", b"phone,n\n336123456780000000000,007\n", dtype={"phone": kind})
    assert "336123456780000000000" not in everything_in(error.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_rows(content: bytes) -> None:
    assert list(read_files([file("a.csv", content)])) == []


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_csv_of_names_only_keeps_them(batch_size: int) -> None:
    (frame,) = read_files([file("a.csv", b"phone,name\n")], batch_size=batch_size)
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


CELL = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=8)


@given(
    names=st.lists(CELL.filter(str.strip), min_size=2, max_size=4),
    rows=st.lists(st.lists(CELL, min_size=4, max_size=4), max_size=6),
    batch_size=st.integers(1, 4),
)
def test_whatever_text_is_written_to_a_csv_is_read_of_it(
    names: list[str], rows: list[list[str]], batch_size: int
) -> None:
    cut = [row[: len(names)] for row in rows]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, *cut])
    out = read("a.csv", text.getvalue().encode(), batch_size=batch_size)
    assert out == (names, cut)


@pytest.mark.parametrize("end", ["\x1a", "\x1a\x1a\x1a", "\x1a\r\n", "\x1a\x00\x00", "\x1a\r\n\r\n\x1a"])
@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("names", ["phone,name", "phone", '"phone","name"'])
@pytest.mark.parametrize("options", [{}, {"comment": "#"}], ids=["plain", "left to pandas"])
def test_a_sign_of_doss_for_the_end_is_no_row(names: str, line_end: str, end: str, options: dict[str, Any]) -> None:
    rows = [[f"{i}"] * (names.count(",") + 1) for i in range(3)]
    text = "\r\n".join([names, *map(",".join, rows)]) + line_end
    assert read("a.csv", f"{text}{end}".encode(), **options)[1] == rows
    assert read("a.csv.gz", gzip.compress(f"{text}{end}".encode()), 2, **options)[1] == rows


def test_the_sign_is_a_character_where_more_follows() -> None:
    assert read("a.csv", b"phone\n1\x1a\n\x1a\n\n2\n")[1] == [["1\x1a"], ["\x1a"], [""], ["2"]]
    assert read("a.csv", b'phone,name\n1,"x\x1a\n\n"\n2,y\x1az\n')[1] == [["1", "x\x1a\n\n"], ["2", "y\x1az"]]
    assert read("a.csv", b"phone\n\x1a") == (["phone"], [])
    assert list(read_files([file("a.csv", b"\x1a")])) == []


@given(st.lists(st.text(st.sampled_from("a\x1a\n \x00"), max_size=4), max_size=6))
def test_nothing_before_the_end_is_taken_for_it(cells: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [["a", "b"], *([cell, "."] for cell in cells)]
    )
    rows = [[cell.replace("\x00", "\x01"), "."] for cell in cells]
    for end in ("", "\x1a", "\x1a\x00\x1a\n"):
        assert read("a.csv", f"{text.getvalue()}{end}".encode())[1] == rows


def test_a_nul_cuts_no_cell_and_makes_it_no_text() -> None:
    ways: list[dict[str, Any]] = [{}, {"comment": "#"}]
    for options in ways:
        (row,) = read("a.csv", "phone,name\n1,Zo\x00é\n".encode(), **options)[1]
        assert row == ["1", "Zo\x01é"]
        with pytest.raises(ValueError, match="control characters"):
            to_text(row[1])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_encoding_of_two_bytes_names_the_option(encoding: str) -> None:
    content = "phone,name\n1,Zoé\n".encode(encoding)
    with pytest.raises(FilesError, match="is not in the encoding it is read in: write data_options="):
        read("a.csv", content)
    assert read("a.csv", content, encoding=encoding) == (["phone", "name"], [["1", "Zoé"]])


@pytest.mark.parametrize("separator", [";", ",", "\t", "|", "^"])
@pytest.mark.parametrize(
    "line", ["sep={}\r\n", "sep={}\n", '"sep={}"\r\n', "SEP={}\r\n", "\ufeffsep={}\r\n", "sep={}\r"]
)
def test_excels_line_with_the_separator_is_no_row(line: str, separator: str) -> None:
    text = line.format(separator) + separator.join(["phone", "name\r\n1", 'Zoé"s\r\n'.replace('"', "")])
    ways: list[dict[str, Any]] = [{}, {"sep": separator}, {"delimiter": separator}, {"header": 0}]
    for options in ways:
        assert read("a.csv", text.encode(), **options) == (["phone", "name"], [["1", "Zoés"]])
    assert read("a.csv.gz", gzip.compress(text.lstrip("\ufeff").encode("utf-16")), encoding="utf-16")[1] == [
        ["1", "Zoés"]
    ]
    with pytest.raises(FilesError, match=r"line 3: a row of 1 cells, and the first row has 2"):
        read(
            "a.csv",
            line.format(separator).replace("\r\n", "\n").replace("\r", "\n").encode() + f"a{separator}b\n1\n".encode(),
        )


def test_excels_line_and_the_options_have_to_agree() -> None:
    with pytest.raises(FilesError, match=r"a line for Excel, sep=;, and data_options say ',': leave the separator out"):
        read("a.csv", b"sep=;\nphone;name\n1;2\n", sep=",")


def test_who_says_which_lines_are_rows_has_it_that_way() -> None:
    content = b"sep=;\nphone;name\n1;2\n"
    for options in ({"skiprows": 1}, {"header": 1}):
        assert read("a.csv", content, sep=";", **options) == (["phone", "name"], [["1", "2"]])


@pytest.mark.parametrize("first", ["sep", "sep=", "sep=;;", "sep=;name", "sep=ab", "separator"])
def test_what_is_no_such_line_is_a_row(first: str) -> None:
    assert read("a.csv", f"{first}\n1\n".encode(), sep="|") == ([first], [["1"]])


# JSON lines


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".JSONL"])
def test_values_of_json_lines_are_what_they_are(suffix: str) -> None:
    content = f'{{"phone": {MOBILE}, "name": "Zoé"}}\n\n{{"phone": null}}\n{{"ok": true, "phone": {2**70}}}'.encode()
    assert read(f"a{suffix}", content) == (
        ["phone", "name", "ok"],
        [[MOBILE, "Zoé", None], [None, None, None], [2**70, None, True]],
    )


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


def test_a_name_that_a_json_line_has_twice_is_two_columns_of_that_name() -> None:
    assert read("a.jsonl", b'{"phone": 1, "phone": 2}\n{"phone": 3}\n') == (["phone", "phone"], [[1, 2], [3, None]])


@pytest.mark.parametrize("end", ["\x1a", "\n\x1a", "\r\n\x1a\x1a\r\n"])
def test_a_sign_of_doss_for_the_end_is_no_line(end: str) -> None:
    assert read("a.jsonl", b'{"a": 1}' + end.encode()) == (["a"], [[1]])


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
    with pytest.raises(RowsNotReadError, match=r"^a\.parquet is damaged, or still being written"):
        read("a.parquet", bytes(content))


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


WORKBOOKS = {
    "Excel": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "openpyxl": zipped("docProps/app.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"),
    "LibreOffice": zipped("mimetype", "content.xml"),
    "Excel 97": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600),
}
#: What is in a file → what an error says it is.
OTHERS: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(CSV_CONTENT), "compressed by gzip: let its name end in .gz"),
    "ZIP": (zipped("a.csv"), "a ZIP archive: unpack it, or compress it by gzip"),
    "an empty ZIP": (zipped(), "a ZIP archive: unpack it, or compress it by gzip"),
    "half a ZIP": (zipped("a.csv")[:50], "a ZIP archive: unpack it"),
    **{name: (content, "a workbook, such as Excel's: save it as CSV") for name, content in WORKBOOKS.items()},
    "bzip2": (bz2.compress(CSV_CONTENT, 3), "compressed by bzip2: unpack it, or compress it by gzip"),
    "xz": (lzma.compress(CSV_CONTENT), "compressed by xz: unpack it"),
    "Zstandard": (bytes.fromhex("28b52ffd24026500") + b"phone", "compressed by Zstandard: unpack it"),
    "Avro": (b"Obj\x01\x04\x14avro.codec", "an Avro file: write CSV, JSON lines or Parquet"),
    "ORC": (b"ORC\x0a\x0b\x0a\x03\x00\x00\x00", "an ORC file: write CSV, JSON lines or Parquet"),
    "Parquet": (b"PAR1\x15\x04\x15\x20\x15\x24", "a Parquet file: let its name end in .parquet"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.csv.gz", "a.json.gz", "a.parquet"])
def test_a_file_that_is_something_else_is_named_and_final(name: str, kind: str) -> None:
    content, is_this = OTHERS[kind]
    if (name.endswith(".gz") and kind == "gzip") or (name.endswith(".parquet") and kind == "Parquet"):
        return
    between = {"gz": "not compressed by gzip but ", "parquet": "no Parquet file but "}.get(name.rpartition(".")[2], "")
    with pytest.raises(FilesError, match=f"^{name} is {between}{is_this}") as error:
        read(name, content)
    assert "0612345678" not in everything_in(error.value)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.CSV.GZ"])
@pytest.mark.parametrize("content", [CSV_CONTENT, b"phone", "phone,prénom\n".encode("cp1252"), b'{"phone": "06"}\n'])
def test_text_that_is_called_compressed_is_named_and_final(name: str, content: bytes) -> None:
    with pytest.raises(
        FilesError, match=f"^{name} is not compressed by gzip but plain text: let its name say"
    ) as error:
        read(name, content)
    assert "phone" not in everything_in(error.value)


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_in_a_compressed_file_is_named_too(kind: str) -> None:
    message = r"^what is in a\.csv\.gz is (compressed by|an?) .*: "
    with pytest.raises(FilesError, match=message) as error:
        read("a.csv.gz", gzip.compress(OTHERS[kind][0]))
    if kind == "gzip":
        assert "compressed by gzip once more: unpack it once" in str(error.value)


def test_text_that_is_called_parquet_is_named_and_final() -> None:
    require_package("pyarrow")
    with pytest.raises(FilesError, match=r"^a\.parquet is no Parquet file but plain text: let its name say what it is"):
        read("a.parquet", CSV_CONTENT)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet"])
def test_room_for_a_file_that_is_still_to_come_is_no_other_file(name: str) -> None:
    require_package("pyarrow")
    with pytest.raises(RowsNotReadError, match="is it still being written"):
        read(name, bytes(4_096))


@pytest.mark.parametrize("name", ["ORCID", "PAR1", "PARENT", "Object", "BZh9", "PK", "7z", "\u03b1\u03b2"])
def test_a_column_may_be_called_as_other_files_begin(name: str) -> None:
    assert read("a.csv", f"{name},é\n1,2\n".encode()) == ([name, "é"], [["1", "2"]])


# Partitions


PARTITIONED: dict[str, Callable[[str, str], bytes]] = {
    "a.csv": lambda name, value: f"{name}\n{value}\n".encode(),
    "a.jsonl": lambda name, value: json.dumps({name: value}).encode(),
    "a.parquet": lambda name, value: parquet({name: [value]}),
}


@pytest.mark.parametrize("suffix", PARTITIONED)
@pytest.mark.parametrize(
    ("path", "names", "values"),
    [
        ("country=FR/", ["country"], ["FR"]),
        ("file:///unload/country=FR/city=Orl%C3%A9ans/", ["country", "city"], ["FR", "Orléans"]),
        ("s3://bucket/a=1/b/c=2/", ["a", "c"], ["1", "2"]),
        ("tier=__HIVE_DEFAULT_PARTITION__/", ["tier"], [None]),
        ("zip=007/day=2026-11-01/f=1.0/n=null/", ["zip", "day", "f", "n"], ["007", "2026-11-01", "1.0", "null"]),
        ("a%20b=50%25%2F%3D/", ["a b"], ["50%/="]),
        ("_country=FR/e=/x=y=z/", ["_country", "e", "x"], ["FR", "", "y=z"]),
        ("=FR/x/", [], []),
        ("a=1/a=2/", ["a", "a"], ["1", "2"]),
        ("ville=Orle\u0301ans/", ["ville"], ["Orle\u0301ans"]),
    ],
)
def test_a_folder_of_a_partition_is_a_column(suffix: str, path: str, names: list[str], values: list[Any]) -> None:
    out = read(f"{path}{suffix}", PARTITIONED[suffix]("phone", "x"))
    assert out == (["phone", *names], [["x", *values]])


@pytest.mark.parametrize("suffix", PARTITIONED)
@pytest.mark.parametrize("own", ["pays", "Pays", "PAYS", "prénom", "pre\u0301nom", "Prénom"])
def test_a_column_of_the_file_stays_the_files(suffix: str, own: str) -> None:
    folders = "pays=DE/prénom=Bob" if "nom" not in own else "pre\u0301nom=Bob"
    names, ((value, *rest),) = read(f"{folders}/{suffix}", PARTITIONED[suffix](own, "FR"))
    assert (names[0], value) == (own, "FR")
    assert rest == (["Bob"] if "nom" not in own else [])


def test_a_line_without_the_field_has_what_its_folder_says() -> None:
    lines = b'{"phone": 1}\n{"phone": 2, "tier": null}\n{"tier": "gold"}\n'
    assert read("tier=silver/a.jsonl", lines, 1)[1] == [[1, "silver"], [2, None], [None, "gold"]]


@pytest.mark.parametrize("suffix", PARTITIONED)
def test_a_file_without_rows_has_the_columns_of_its_folders_too(suffix: str) -> None:
    content = {"a.csv": b"phone\n", "a.parquet": parquet({"phone": []})}.get(suffix, b"")
    assert read(f"country=FR/{suffix}", content)[0] == (["phone", "country"] if content else [])


@given(name=CELL.filter(bool), value=CELL)
def test_whatever_a_partition_is_called_it_is_read(name: str, value: str) -> None:
    folder = f"{quote(name, safe='')}={quote(value, safe='')}"
    names, rows = read(f"s3://bucket/{folder}/a.csv", b"\x70\n1\n")
    if fold_name(name) != "p":
        assert (names, rows) == (["p", name], [["1", value]])


def test_a_folder_whose_name_is_no_text_is_final() -> None:
    with pytest.raises(FilesError, match="is in a folder of a partition, the name of which is not in UTF-8: rename it"):
        read("city=Orl%E9ans/a.csv", b"phone\n1\n")


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
    assert growth_of_memory_of(frames, rows) < 16 * 2**20
