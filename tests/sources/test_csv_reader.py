from __future__ import annotations

import csv
import gzip
import io
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError
from airflow_provider_octopush.sources.files import File, read_files
from airflow_provider_octopush.text import to_text
from tests.sources.reading import everything_in
from tests.sources.reading import read_file as read

#: Text with what has a meaning in a CSV. Ctrl-Z means the end of a file, where nothing follows it.
CELL = st.text(
    st.one_of(st.sampled_from(";,|\t\"'^]\\\r\n 0+=a\0\ufeffé"), st.characters(exclude_categories=["Cs"])), max_size=6
).filter(lambda cell: "\x1a" not in cell)
NAME = CELL.filter(lambda name: name.strip() and not name.startswith("\ufeff"))


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[str] = CELL) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    names = draw(st.lists(NAME, min_size=width, max_size=width))
    return [names, *draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=6))]


def written(rows: list[list[str]], **dialect: Any) -> str:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


# Text stays what it is


def test_cells_are_text_and_nothing_else() -> None:
    content = 'phone,name,tier\n0612345678,Zoé,NA\n33612345678.0,nan,\n1e5,"O\'Brien, Zoë\nx",null\n'.encode()
    assert read("a.csv", content) == (
        ["phone", "name", "tier"],
        [["0612345678", "Zoé", "NA"], ["33612345678.0", "nan", ""], ["1e5", "O'Brien, Zoë\nx", "null"]],
    )


DIALECTS: list[dict[str, Any]] = [
    {"quoting": quoting, "doublequote": is_doubled, "escapechar": escape}
    for quoting, is_doubled, escape in itertools.product(
        (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE), (True, False), (None, "\\", "a")
    )
    # Otherwise there is text that Python cannot write.
    if escape is not None or (is_doubled and quoting != csv.QUOTE_NONE)
]


@given(
    table=tables(),
    dialect=st.sampled_from(DIALECTS),
    delimiter=st.sampled_from(",;|\t é"),
    quote=st.sampled_from("\"'^]"),
    line_end=st.sampled_from(["\r\n", "\n", "\r"]),
    batch_size=st.integers(1, 3),
    null=st.none() | CELL,
)
def test_whatever_is_written_to_a_csv_is_read_of_it(
    table: list[list[str]],
    dialect: dict[str, Any],
    delimiter: str,
    quote: str,
    line_end: str,
    batch_size: int,
    null: str | None,
) -> None:
    if dialect["quoting"] == csv.QUOTE_NONE and len(table[0]) == 1:
        table = [[*row, "."] for row in table]  # Python writes no row of one empty cell without quotes
    if dialect["quoting"] != csv.QUOTE_ALL:
        line_end = "\r\n"  # with another, Python before 3.13 leaves the other sign unquoted
    text = written(table, **dialect, delimiter=delimiter, quotechar=quote, lineterminator=line_end)
    options: dict[str, Any] = {"delimiter": delimiter, "quotechar": quote}
    if dialect["escapechar"] is not None:
        options["escapechar"] = dialect["escapechar"]
    if dialect["quoting"] == csv.QUOTE_NONE:
        options["quoting"] = csv.QUOTE_NONE
    if null is not None and options.get("escapechar", "\0") not in null:
        options["null"] = null
    names, *rows = table
    expected = [[None if cell == options.get("null") else cell for cell in row] for row in rows]
    assert read("a.csv", text.encode(), batch_size, **options) == (names, expected)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r", "\r\r\n", "\u2028", "\x85", "\x0c"])
def test_ends_of_lines_within_quotes_are_text(inside: str, line_end: str) -> None:
    content = line_end.join(["phone,name", f'1,"a{inside}b"', "2,c"]).encode()
    assert read("a.csv", content)[1] == [["1", f"a{inside}b"], ["2", "c"]]


def test_columns_of_the_same_name_keep_it() -> None:
    assert read("a.csv", b"phone,phone,\n1,2,3\n") == (["phone", "phone", ""], [["1", "2", "3"]])


def test_a_nul_cuts_no_cell_and_makes_it_no_text() -> None:
    (row,) = read("a.csv", "phone,name\n1,Zo\x00é\n".encode())[1]
    assert row == ["1", "Zo\x00é"]
    with pytest.raises(ValueError, match="control characters"):
        to_text(row[1])


@pytest.mark.parametrize("size", [131_073, 3_000_000])
def test_no_cell_is_too_large_and_the_limit_of_the_process_stays_what_it_was(size: int) -> None:
    limit = csv.field_size_limit(131_072)
    content = b'phone,name\n1,"' + b"x" * size + b'"\n2,\n'
    try:
        for frame in read_files([File("a.csv", lambda: io.BytesIO(content))], batch_size=1):
            assert csv.field_size_limit() == 131_072
            assert len(frame) == 1
        with pytest.raises(RowsNotReadError):
            read("a.csv", content[:-10])
        assert csv.field_size_limit() == 131_072
    finally:
        csv.field_size_limit(limit)


def test_two_threads_that_read_do_not_put_the_limit_back_under_each_other() -> None:
    limit = csv.field_size_limit()
    content = b"phone\n" + b"x" * (limit + 1) + b"\n"
    is_first_inside, is_second_inside, is_first_done = threading.Event(), threading.Event(), threading.Event()
    rows: list[int] = []

    class Slow(io.BytesIO):
        def __init__(self, inside: threading.Event, waits_for: threading.Event, seconds: float) -> None:
            super().__init__(content)
            self.inside, self.waits_for, self.seconds = inside, waits_for, seconds

        def read1(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(content) // 2:
                self.inside.set()
                self.waits_for.wait(self.seconds)
            return super().read1(size)

    def reads(opened: io.BytesIO, done: threading.Event) -> None:
        rows.extend(len(frame) for frame in read_files([File("a.csv", lambda: opened)]))
        done.set()

    first = threading.Thread(target=reads, args=(Slow(is_first_inside, is_second_inside, 0.2), is_first_done))
    second = threading.Thread(target=reads, args=(Slow(is_second_inside, is_first_done, 10), threading.Event()))
    first.start()
    assert is_first_inside.wait(10)
    second.start()
    for thread in (first, second):
        thread.join(10)
    assert (rows, csv.field_size_limit()) == ([1, 1], limit)


# Rows


@pytest.mark.parametrize("row", [b"Zoe", b"1,Zoe,3", b'"Zoe\nZoe"', b'1,Zoe,"\n"'])
@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("behind", [0, 5])
def test_a_row_that_is_longer_or_shorter_than_the_others_is_an_error(row: bytes, before: int, behind: int) -> None:
    content = b'phone,"na\nme"\n' + b"1,b\n" * before + row + b"\n" + b"1,b\n" * behind
    with pytest.raises(
        FilesError, match=rf"^a\.csv, line {before + 3}: a row of [13] cells, but the first row has 2$"
    ) as error:
        read("a.csv", content)
    assert "Zoe" not in everything_in(error.value)


def test_an_empty_line_is_a_row_where_there_is_one_column() -> None:
    assert read("a.csv", b"\nphone\n1\n\n  \r\n2\n\n")[1] == [["1"], [""], ["  "], ["2"], [""]]
    assert read("a.csv", b"\r\nphone,name\n1,2\n\n3,4\r\n\r\n")[1] == [["1", "2"], ["3", "4"]]
    assert read("a.csv", b"\n1\n\n", data_columns=["phone"])[1] == [[""], ["1"], [""]]
    assert read("a.csv", b"\n1,2\n\n", data_columns=["phone", "name"])[1] == [["1", "2"]]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('1,"Zoé\n2,Bob\n3,"Ana\n4,Ann\n', 2),
        ('1,Ana\n\n2,"Zoé" \n', 4),
        ('1,"Zoé"Martin\n', 2),
        ('1,Zoé "Zo"\n', 2),
        ('1, "Zoé"\n', 2),
        # As Spark escapes quotes: without a look at them, the text behind the end of the line would be a contact.
        ('1,"Zoé\\"\n+33612345678,Zo"\n', 3),
    ],
)
def test_a_quote_out_of_place_is_an_error_and_swallows_no_row(content: str, line: int) -> None:
    with pytest.raises(FilesError, match=rf"^a\.csv, line {line}: .*'quoting': 3") as error:
        read("a.csv", f"phone,name\n{content}".encode())
    assert "Zo" not in everything_in(error.value)


@given(data=st.data(), table=tables(st.text(st.sampled_from(',"\n a'), max_size=4)), is_quoted=st.booleans())
def test_a_quote_too_many_or_too_few_is_an_error_wherever_it_is(
    data: st.DataObject, table: list[list[str]], is_quoted: bool
) -> None:
    text = written(table, quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL)
    quotes = [i for i, sign in enumerate(text) if sign == '"']
    is_too_few = bool(quotes) and data.draw(st.booleans())
    if is_too_few:
        place = data.draw(st.sampled_from(quotes))
        text = text[:place] + text[place + 1 :]
    else:
        place = data.draw(st.integers(0, len(text)))
        text = f'{text[:place]}"{text[place:]}'
    with pytest.raises((FilesError, RowsNotReadError)):
        read("a.csv", text.encode(), delimiter=",")


@given(data=st.data(), table=tables(), is_quoted=st.booleans())
def test_a_file_that_is_cut_anywhere_is_an_error_or_ends_in_its_last_cell(
    data: st.DataObject, table: list[list[str]], is_quoted: bool
) -> None:
    quoting = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    names, *rows = table
    text = written(table, quoting=quoting)
    of_names = len(written([names], quoting=quoting))
    cut = text[: data.draw(st.integers(of_names, len(text)))]
    whole = max(n for n in range(len(table)) if len(cut) >= len(written(table[: n + 1], quoting=quoting)))
    try:
        found = read("a.csv", cut.encode(), delimiter=",")[1]
    except RowsNotReadError:
        assert len(cut) < len(text)
        return
    assert found[:whole] == rows[:whole]
    if len(found) != whole:
        (last,) = found[whole:]
        assert (last[:-1], last[-1]) == (rows[whole][:-1], rows[whole][-1][: len(last[-1])])


@pytest.mark.parametrize("content", ['phone,name\n1,"Zoé\n2,Bob\n', 'phone,name\n1,Zoé\n2,"', '"phone,name\n1,Zoé\n'])
def test_quotes_that_never_end_name_the_row_where_they_begin(content: str) -> None:
    line = content[: content.rindex('"')].count("\n") + 1
    with pytest.raises(RowsNotReadError, match=rf"^a\.csv, line {line}: the file ends within the quotes of") as error:
        read("a.csv", content.encode())
    assert "Zoé" not in everything_in(error.value)


def test_a_csv_that_ends_within_its_last_cell_looks_whole_unless_it_is_compressed() -> None:
    content = b"name,phone\nAna,0612345678\n"
    assert read("a.csv", content[:-4])[1] == [["Ana", "0612345"]]
    packed = gzip.compress(content)
    for end in range(1, len(packed)):
        with pytest.raises(RowsNotReadError, match="is it still being written"):
            read("a.csv.gz", packed[:end])


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_rows(content: bytes) -> None:
    assert list(read_files([File("a.csv", lambda: io.BytesIO(content))])) == []


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_csv_of_names_only_keeps_them(batch_size: int) -> None:
    files = [File("a.csv", lambda: io.BytesIO(b"phone,name\n"))]
    (frame,) = read_files(files, batch_size=batch_size)
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


@pytest.mark.parametrize("rows", range(5))
def test_frames_have_as_many_rows_as_are_asked_for_and_none_is_empty(rows: int) -> None:
    content = b"phone\n" + b"1\n" * rows
    sizes = [len(frame) for frame in read_files([File("a.csv", lambda: io.BytesIO(content))], batch_size=2)]
    assert sizes == {0: [0], 1: [1], 2: [2], 3: [2, 1], 4: [2, 2]}[rows]


# Names that the file does not have


def test_names_of_columns_may_come_from_the_dag() -> None:
    content = "0612345678,Zoé\nphone,name\n".encode()
    assert read("a.csv", content, data_columns=["phone", "name"]) == (
        ["phone", "name"],
        [["0612345678", "Zoé"], ["phone", "name"]],
    )
    assert read("a.csv.gz", gzip.compress(content), data_columns=["phone", "name"])[0] == ["phone", "name"]


@pytest.mark.parametrize("names", [["phone"], ["phone", "name", "tier"]])
def test_each_row_has_as_many_cells_as_there_are_names(names: list[str]) -> None:
    with pytest.raises(FilesError, match=rf"^a\.csv, line 1: a row of 2 cells, but data_columns names {len(names)}$"):
        read("a.csv", b"0612345678,Zoe\n", data_columns=names)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("names", [["phone"], ["phone", "name"]])
def test_an_empty_file_has_the_columns_that_are_named_and_no_row(names: list[str], content: bytes) -> None:
    (frame,) = read_files([File("a.csv", lambda: io.BytesIO(content))], columns=names)
    assert (list(frame.columns), len(frame)) == (names, 0)


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("names", ["phone,name", '"phone","name"'])
def test_a_byte_order_mark_is_no_text(names: str, encoding: str) -> None:
    content = f"\ufeff{names}\n1,\ufeff2\n".encode(encoding)
    assert read("a.csv", content, encoding=encoding) == (["phone", "name"], [["1", "\ufeff2"]])
    assert read("a.csv", content, encoding=encoding, data_columns=["a", "b"])[1][0] == ["phone", "name"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_encoding_of_two_bytes_names_the_option(encoding: str) -> None:
    content = "phone,name\n1,Zoé\n".encode(encoding)
    with pytest.raises(
        FilesError, match=r"^a\.csv is not in utf-8, the encoding it is read in: write data_options=\{'encoding': …\}$"
    ):
        read("a.csv", content)
    assert read("a.csv", content, encoding=encoding) == (["phone", "name"], [["1", "Zoé"]])


@pytest.mark.parametrize(
    ("encoding", "wrong"),
    [
        ("utf-8", b"\xff"),
        ("utf-8", b"\xe9t"),
        ("ascii", b"\xe9"),
        ("cp1252", b"\x81"),
        ("gb18030", b"\xff"),
        ("shift_jis", b"\xff"),
        ("utf-16-le", b"\x00\xdc"),
        ("utf-32-be", b"\xff\xff\xff\xff"),
    ],
)
@pytest.mark.parametrize("rows", [0, 4_000])
def test_an_error_of_encoding_says_nothing_of_what_is_there(encoding: str, wrong: bytes, rows: int) -> None:
    before = ("phone,name\n" + "0612345678,Martin\n" * rows + "Mar").encode(encoding)
    content = before + wrong + "tin,1\n".encode(encoding) * 3
    with pytest.raises(FilesError, match=rf"^a\.csv is not in {encoding}, the encoding it is read in: write ") as error:
        read("a.csv", content, encoding=encoding)
    assert "Mar" not in everything_in(error.value)


# Options


def test_where_quotes_are_text_they_are_read_as_such() -> None:
    content = b'phone,name\n1,"Zoe\n2,5" x\n'
    assert read("a.csv", content, quoting=csv.QUOTE_NONE)[1] == [["1", '"Zoe'], ["2", '5" x']]
    with pytest.raises(FilesError):
        read("a.csv", content)


def test_spaces_behind_a_delimiter_can_be_no_text() -> None:
    content = b'phone, name\n1, "Zoe, ""x"""\n2,   y z \n'
    assert read("a.csv", content, skipinitialspace=True) == (
        ["phone", "name"],
        [["1", 'Zoe, "x"'], ["2", "y z "]],
    )


def test_what_an_escapechar_stands_before_is_text() -> None:
    content = b'phone,name\n1,a\\\nb \\"c\\,d\n2,"a\\\nb ""c\\",d"\n3,\\\\\n'
    assert read("a.csv", content, escapechar="\\")[1] == [["1", 'a\nb "c,d'], ["2", 'a\nb "c",d'], ["3", "\\"]]


@pytest.mark.parametrize("null", ["\\N", "NULL", "", " ", "é"])
def test_a_text_that_means_null_is_a_missing_value_in_quotes_or_not(null: str) -> None:
    content = f'phone,{null}\n1,{null}\n2,"{null}"\n{null},x{null}\n'.encode()
    assert read("a.csv", content, null=null) == (["phone", null], [["1", None], ["2", None], [None, f"x{null}"]])


def _wrong_options() -> Iterator[tuple[dict[str, Any], str]]:
    yield {"sep": ";"}, "^data_options has 'sep': write 'delimiter'"
    known = "'delimiter', 'quotechar', 'escapechar', 'skipinitialspace', 'quoting', 'encoding', 'null'$"
    for name in ("header", "dtype", "lineterminator", "doublequote", "strict", "dialect", "errors", "Delimiter"):
        yield {name: None}, f"^data_options has '{name}', which is not an option of a CSV: the options are {known}"
    for name in ("delimiter", "quotechar", "escapechar"):
        for value in (";;", 7, "{{ x }}"):
            yield {name: value}, r"^data_options has an impossible value: .*"
    for quoting in (csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL, 4, 5, "3", None, "QUOTE_NONE"):
        yield {"quoting": quoting}, r"^data_options has a 'quoting' that is not csv\.QUOTE_NONE \(3\), where quotes"
    for encoding in ("klingon", "rot13", "utf-8\0", None, 7):
        yield {"encoding": encoding}, "^data_options has an impossible value: "
    yield {"null": 7}, "^data_options has an impossible value: "
    for same in ({"delimiter": '"'}, {"escapechar": '"'}, {"quotechar": ","}, {"delimiter": ";", "escapechar": ";"}):
        yield same, "^data_options has the same character for two of 'delimiter', 'quotechar' and 'escapechar'"


@pytest.mark.parametrize(("options", "message"), list(_wrong_options()))
def test_options_that_cannot_be_meant_are_an_error_before_the_first_row(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FilesError, match=message) as error:
        read("a.csv", "phone,name\n1,Zoé\n".encode(), **options)
    assert "Zoé" not in everything_in(error.value)
