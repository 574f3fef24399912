from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import itertools
import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np
import pandas as pd
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.sources.errors import NotRowsError, RowsNotReadError, UnreadableValueError
from airflow_provider_octopush.sources.upstream import read_upstream
from tests.databases import require_package
from tests.sources.reading import everything_in

MOBILE = 33612345678


@attrs.define(eq=False)
class LazySequence(Sequence[Any]):
    """Fetches an element when it is asked for, as Airflow's lazy sequences of XComs do."""

    elements: list[Any]
    fetched: list[int] = attrs.field(factory=list)

    def __len__(self) -> int:
        return len(self.elements)

    def __getitem__(self, index: Any) -> Any:
        self.fetched.append(index)
        return self.elements[index]

    def __bool__(self) -> bool:
        raise AssertionError("Airflow asks the database for the truth of a lazy sequence")


def rows_of(data: Any, **kwargs: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for frame in read_upstream(data, **kwargs):
        assert set(frame.dtypes) <= {np.dtype(object)}
        names = list(frame.columns)
        rows.extend(
            dict(zip(names, values, strict=True))
            for values in zip(*(frame.iloc[:, i].tolist() for i in range(len(names))), strict=True)
        )
    return rows


def shapes_of(data: Any, **kwargs: Any) -> list[tuple[int, int]]:
    return [frame.shape for frame in read_upstream(data, **kwargs)]


ROWS: list[dict[str, Any]] = [
    {"phone": MOBILE, "name": "Zoë"},
    {"phone": None, "name": None},
    {"phone": 7, "name": "Ray"},
]


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        iter(ROWS),
        (row for row in ROWS),
        LazySequence(ROWS),
        [ROWS[:2], ROWS[2:]],
        LazySequence([ROWS[:2], tuple(ROWS[2:])]),
        iter([ROWS[:1], [], iter(ROWS[1:])]),
        pd.DataFrame(ROWS, dtype=object),
        LazySequence([pd.DataFrame(ROWS[:1], dtype=object), pd.DataFrame(ROWS[1:], dtype=object)]),
        iter([pd.DataFrame(ROWS[:1], dtype=object), ROWS[1], ROWS[2:]]),
        [ROWS[0], pd.DataFrame(ROWS[1:2], dtype=object), ROWS[2]],
        LazySequence([[pd.DataFrame(ROWS[:1], dtype=object)], ROWS[1:]]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_every_shape_gives_the_same_rows_in_the_same_order(data: Any) -> None:
    rows = rows_of(data)
    assert rows == ROWS
    assert [type(row["phone"]) for row in rows] == [int, type(None), int]


def test_a_frame_holds_at_most_a_batch_of_rows() -> None:
    rows = [{"phone": number} for number in range(7)]
    assert shapes_of(rows, batch_size=3) == [(3, 1), (3, 1), (1, 1)]
    assert shapes_of(pd.DataFrame(rows), batch_size=3) == [(3, 1), (3, 1), (1, 1)]
    assert shapes_of([rows, rows[:2]], batch_size=3) == [(3, 1), (3, 1), (3, 1)]


def test_each_frame_is_numbered_from_zero() -> None:
    frames = list(read_upstream(pd.DataFrame({"phone": range(4)}, index=[9, 9, 8, 8]), batch_size=2))
    assert [frame.index.tolist() for frame in frames] == [[0, 1], [0, 1]]


def test_a_lazy_sequence_is_asked_for_one_element_at_a_time() -> None:
    data = LazySequence([pd.DataFrame({"phone": [1, 2]}) for _ in range(5)])
    frames = read_upstream(data)
    next(frames)
    assert data.fetched == [0]
    next(frames)
    assert data.fetched == [0, 1]


def test_an_iterator_is_not_read_ahead_of_its_batch() -> None:
    rows = iter([{"phone": number} for number in range(10)])
    next(read_upstream(rows, batch_size=4))
    assert [row["phone"] for row in rows] == [4, 5, 6, 7, 8, 9]


def test_an_element_that_cannot_be_fetched_is_an_error_and_not_the_end() -> None:
    class Forgetful(LazySequence):
        def __getitem__(self, index: Any) -> Any:
            if index == 1:
                raise IndexError(index)
            return super().__getitem__(index)

    with pytest.raises(IndexError):
        rows_of(Forgetful([ROWS, ROWS, ROWS]))


def test_a_frame_has_all_columns_seen_so_far() -> None:
    rows = [{"a": 1}, {"b": 2}, {"c": 3, "a": 4}, {"b": 5}]
    frames = list(read_upstream(rows, batch_size=2))
    assert [list(frame.columns) for frame in frames] == [["a", "b"], ["a", "b", "c"]]
    assert [frame.to_numpy().tolist() for frame in frames] == [
        [[1, None], [None, 2]],
        [[4, None, 3], [None, 5, None]],
    ]


def test_a_row_without_columns_is_still_a_row() -> None:
    assert shapes_of([{}, {}]) == [(2, 0)]
    assert shapes_of(pd.DataFrame(index=[5, 6, 7]), batch_size=2) == [(2, 0), (1, 0)]


def test_a_frame_without_rows_keeps_its_columns() -> None:
    (frame,) = read_upstream(pd.DataFrame({"phone": pd.Series(dtype="Int64"), "name": pd.Series(dtype="category")}))
    assert list(frame.columns) == ["phone", "name"]
    assert frame.shape == (0, 2)
    assert frame.dtypes.tolist() == [object, object]


@pytest.mark.parametrize("data", [[], (), iter([]), LazySequence([]), [[], []], pd.DataFrame(), [pd.DataFrame()]])
def test_no_rows_and_no_columns_give_nothing(data: Any) -> None:
    assert list(read_upstream(data)) == []


COLUMNS_OF_EVERY_KIND: dict[str, tuple[Any, list[Any]]] = {
    "int": ([MOBILE, 2], [MOBILE, 2]),
    "nullable int": (pd.array([MOBILE, None], dtype="Int64"), [MOBILE, pd.NA]),
    "unsigned": (np.array([2**64 - 1, 1], dtype="uint64"), [2**64 - 1, 1]),
    "object": (pd.Series([MOBILE, None], dtype=object), [MOBILE, None]),
    "category of ints": (pd.Categorical([MOBILE, 2]), [MOBILE, 2]),
    "category of text": (pd.Categorical(["a", "b"]), ["a", "b"]),
    "sparse": (pd.arrays.SparseArray([MOBILE, 0]), [MOBILE, 0]),
    "default text": (["a", "b"], ["a", "b"]),
    "string": (pd.array(["a", None], dtype="string"), ["a", pd.NA]),
    "bool": ([True, False], [True, False]),
    "nullable bool": (pd.array([True, None], dtype="boolean"), [True, pd.NA]),
    "float": ([0.5, 33612345678.0], [0.5, 33612345678.0]),
    "naive": (pd.Series([pd.Timestamp(2026, 1, 2), pd.NaT]), [pd.Timestamp(2026, 1, 2), pd.NaT]),
    "zoned": (pd.to_datetime(["2026-01-02"] * 2, utc=True), [pd.Timestamp(2026, 1, 2, tz="UTC")] * 2),
    "lists": (pd.Series([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "dates": ([dt.date(2026, 1, 2)] * 2, [dt.date(2026, 1, 2)] * 2),
}


@pytest.mark.parametrize("kind", COLUMNS_OF_EVERY_KIND)
def test_a_column_of_any_dtype_becomes_objects_without_loss(kind: str) -> None:
    column, expected = COLUMNS_OF_EVERY_KIND[kind]
    (frame,) = read_upstream(pd.DataFrame({"before": ["x", "y"], "column": column}))
    values = frame["column"].tolist()
    assert list(map(repr, values)) == list(map(repr, expected))
    assert frame.dtypes.tolist() == [object, object]


def test_a_category_with_a_missing_value_keeps_its_ints() -> None:
    (frame,) = read_upstream(pd.DataFrame({"phone": pd.Categorical([MOBILE, None])}))
    assert [type(value) for value in frame["phone"].tolist()] == [int, float]


def test_labels_become_text() -> None:
    (frame,) = read_upstream(pd.DataFrame([[1, 2]]))
    assert list(frame.columns) == ["0", "1"]
    assert rows_of([{1: "a", None: "b"}]) == [{"1": "a", "None": "b"}]


def test_columns_of_the_same_name_stay() -> None:
    (frame,) = read_upstream(pd.DataFrame([[1, 2]], columns=["phone", "phone"]))
    assert list(frame.columns) == ["phone", "phone"]
    assert frame.to_numpy().tolist() == [[1, 2]]


def test_what_the_caller_handed_over_is_not_changed() -> None:
    theirs = pd.DataFrame({"phone": pd.Series([1, 2], dtype=object), "name": pd.Series(["a", "b"], dtype=object)})
    rows = [{"phone": 1}, {"name": "b"}]
    for data in (theirs, rows):
        (frame,) = read_upstream(data)
        frame.iloc[:, :] = "changed"
        frame.columns = pd.Index(["x", "y"])
    assert theirs.to_dict("list") == {"phone": [1, 2], "name": ["a", "b"]}
    assert rows == [{"phone": 1}, {"name": "b"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"^upstream returned None; return \[\] for no rows$"),
        ({"phone": "+33600000001"}, r"^upstream returned a dict, .*write \[row\]"),
        ("+33600000001", r"^upstream returned a str, expected .*: turn it into rows, such as by json\.loads"),
        (b"+33600000001", "^upstream returned a bytes, expected"),
        (33600000001, "^upstream returned a int, expected"),
        (["+33600000001"], "^item 1 of what upstream returned is a str, expected"),
        ([{"phone": 1}, None], "^item 2 of what upstream returned is a NoneType, expected"),
        (
            [("+33600000001", "Zoë")],
            "^item 1 of what upstream returned is a tuple: its values have no names: .* data_columns=",
        ),
        (
            [[], [{}, [{}]]],
            "^item 2 of what upstream returned is a list whose item 2 is a list: its values have no names",
        ),
    ],
    ids=lambda data: type(data).__name__,
)
def test_another_shape_is_an_error_that_names_types_and_no_content(data: Any, message: str) -> None:
    with pytest.raises(NotRowsError, match=message) as error:
        rows_of(data)
    assert "336" not in str(error.value)
    assert "Zoë" not in str(error.value)


cells = st.sampled_from([None, 0, MOBILE, 2**70, 0.5, "", "Zoë", True, [1, 2], dt.date(2026, 1, 2)])
tables = st.lists(st.dictionaries(st.sampled_from("abcde"), cells), max_size=12)


def without_missing(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{name: repr(row[name]) for name in sorted(row) if row[name] is not None} for row in rows]


@given(rows=tables, batch_size=st.integers(1, 13), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_rows_come_out_as_they_went_in_however_they_are_cut(
    rows: list[dict[str, Any]], batch_size: int, cuts: list[int]
) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [rows[start:end] for start, end in itertools.pairwise(edges)]
    for data in (rows, parts, iter(parts)):
        out: list[dict[str, Any]] = []
        for frame in read_upstream(data, batch_size=batch_size):
            assert 0 < len(frame) <= batch_size
            columns = {name: frame[name].tolist() for name in frame.columns}
            out.extend({name: columns[name][row] for name in columns} for row in range(len(frame)))
        assert without_missing(out) == without_missing(rows)


# Rows with named fields


@dataclasses.dataclass
class ByDataclass:
    phone: Any
    name: Any


class ByNamedTuple(NamedTuple):
    phone: Any
    name: Any


def by_sqlite(phone: Any, name: Any) -> Any:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    return connection.execute("SELECT ? AS phone, ? AS name", (phone, name)).fetchone()


def by_sqlalchemy(phone: Any, name: Any) -> Any:
    statement = sqlalchemy.text("SELECT :phone AS phone, :name AS name")
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        return connection.execute(statement, {"phone": phone, "name": name}).one()


def by_series(phone: Any, name: Any) -> Any:
    return pd.Series({"phone": phone, "name": name}, dtype=object)


NAMED = [ByDataclass, ByNamedTuple, by_sqlite, by_sqlalchemy, by_series]


@pytest.mark.parametrize("make", NAMED, ids=lambda make: make.__name__)
def test_rows_with_named_fields_are_rows(make: Callable[..., Any]) -> None:
    rows = [make(**row) if isinstance(make, type) else make(row["phone"], row["name"]) for row in ROWS]
    for data in (rows, iter(rows), LazySequence([rows[:1], rows[1:]]), [rows[0], rows[1:]]):
        out = rows_of(data)
        assert out == ROWS
        assert [type(row["phone"]) for row in out] == [int, type(None), int]


@pytest.mark.parametrize("make", NAMED, ids=lambda make: make.__name__)
def test_one_row_is_not_rows(make: Callable[..., Any]) -> None:
    with pytest.raises(NotRowsError, match=r"write \[row\] for one row") as error:
        rows_of(make(**ROWS[0]) if isinstance(make, type) else make(*ROWS[0].values()))
    assert "336" not in str(error.value)


# Rows without names

TUPLES: list[Any] = [tuple(row.values()) for row in ROWS]


@pytest.mark.parametrize(
    "data",
    [
        TUPLES,
        [list(row) for row in TUPLES],
        tuple(TUPLES),
        iter(TUPLES),
        LazySequence(TUPLES),
        LazySequence([TUPLES[:1], [list(row) for row in TUPLES[1:]]]),
        [TUPLES[0], TUPLES[1:]],
        [[], TUPLES, []],
        iter([iter(TUPLES)]),
        np.array(TUPLES, dtype=object),
    ],
    ids=lambda data: type(data).__name__,
)
def test_rows_without_names_get_them_from_data_columns(data: Any) -> None:
    assert rows_of(data, columns=["phone", "name"]) == ROWS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TUPLES, r"^item 1 of what upstream returned is a tuple: its values have no names: .*data_columns="),
        ([TUPLES], r"^item 1 of what upstream returned is a list whose item 1 is a tuple: its values have no names"),
        (np.array([[1, 2]]), r"^item 1 of what upstream returned is a ndarray: its values have no names"),
    ],
)
def test_rows_without_names_ask_for_them(data: Any, message: str) -> None:
    with pytest.raises(NotRowsError, match=message) as error:
        rows_of(data)
    assert "Zoë" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            [TUPLES[0], TUPLES[1][:1]],
            "^item 2 of what upstream returned is a tuple of 1 values, but data_columns names 2$",
        ),
        (ROWS, "^item 1 of what upstream returned is a dict whose fields have names: leave data_columns out$"),
        ([ByNamedTuple(1, 2)], "is a ByNamedTuple whose fields have names: leave data_columns out$"),
        (pd.DataFrame(ROWS), "a DataFrame, whose columns have names: leave data_columns out$"),
    ],
)
def test_data_columns_that_do_not_fit_are_an_error(data: Any, message: str) -> None:
    with pytest.raises(NotRowsError, match=message):
        rows_of(data, columns=["phone", "name"])


# A row that is nothing but lists may as well be rows.
values = cells.filter(lambda value: not isinstance(value, list))


@given(rows=st.lists(st.tuples(values, values), max_size=9), cuts=st.lists(st.integers(0, 9), max_size=3))
def test_tuples_come_out_as_they_went_in_however_they_are_cut(rows: list[tuple[Any, Any]], cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [rows[start:end] for start, end in itertools.pairwise(edges)]
    for data in (rows, parts, iter(parts)):
        assert [tuple(row.values()) for row in rows_of(data, columns=["a", "b"], batch_size=2)] == rows


# What speaks Arrow


def arrow(kind: str, rows: dict[str, list[Any]]) -> Any:
    pyarrow = require_package("pyarrow")
    table = pyarrow.table(rows)
    if kind == "polars":
        return require_package("polars").DataFrame(rows)
    if kind == "DuckDB":
        return require_package("duckdb").from_arrow(table)
    return {"Table": table, "reader": table.to_reader(1), "RecordBatch": table.to_batches()[0]}[kind]


ARROWS = ["Table", "reader", "RecordBatch", "polars", "DuckDB"]
COLUMNS = {name: [row[name] for row in ROWS] for name in ("phone", "name")}


@pytest.mark.parametrize("kind", ARROWS)
def test_what_speaks_arrow_is_a_table(kind: str) -> None:
    out = rows_of(arrow(kind, COLUMNS))
    assert out == ROWS
    assert [type(row["phone"]) for row in out] == [int, type(None), int]
    assert rows_of([arrow(kind, COLUMNS), ROWS[0], [arrow(kind, COLUMNS)]]) == [*ROWS, ROWS[0], *ROWS]


@pytest.mark.parametrize("kind", ARROWS)
def test_a_table_of_arrow_is_cut_into_frames(kind: str) -> None:
    sizes = [rows for rows, _ in shapes_of(arrow(kind, {"i": list(range(7))}), batch_size=3) if rows]
    assert max(sizes) <= 3
    assert sum(sizes) == 7


def test_arrows_values_are_what_they_say() -> None:
    pyarrow = require_package("pyarrow")
    table = pyarrow.table(
        {
            "float32": pyarrow.array([0.1, None], pyarrow.float32()),
            "decimal": pyarrow.array([decimal.Decimal("1.10"), None]),
            "day": pyarrow.array([dt.date(2026, 1, 2), None]),
            "category": pyarrow.array(["gold", None]).dictionary_encode(),
            "bytes": pyarrow.array([b"Zo\xc3\xa9", None]),
            "list": pyarrow.array([[1, 2], None]),
        }
    )
    first, second = rows_of(table)
    assert str(first.pop("float32")) == "0.1"
    assert first == {
        "decimal": decimal.Decimal("1.10"),
        "day": dt.date(2026, 1, 2),
        "category": "gold",
        "bytes": b"Zo\xc3\xa9",
        "list": [1, 2],
    }
    assert np.isnan(second.pop("float32"))
    assert set(second.values()) == {None}


@pytest.mark.parametrize("before", [0, 500_000])
def test_a_relation_that_fails_while_it_is_read_is_not_quoted(before: int) -> None:
    duckdb = require_package("duckdb")
    require_package("pyarrow")
    relation = duckdb.connect().sql(
        f"SELECT CASE WHEN i < {before} THEN '1' ELSE 'Zoé Martin' END::int AS phone FROM range({before + 1}) t (i)"
    )
    with pytest.raises(RowsNotReadError, match="its words are left out") as error:
        rows_of(relation)
    assert "Martin" not in everything_in(error.value)


def test_a_float_of_4_bytes_stays_one_however_a_column_holds_it() -> None:
    pyarrow = require_package("pyarrow")
    narrow = np.array([612345678.0, np.nan, 612345678.0], dtype="float32")
    arrow = pyarrow.array(narrow)
    coded = arrow.dictionary_encode()
    runs = require_package("pyarrow.compute").run_end_encode(arrow)
    tables = [
        pyarrow.table({"phone": arrow}),
        pyarrow.table({"phone": coded}),
        pyarrow.table({"phone": runs}),
        pd.DataFrame({"phone": pd.Series(coded, dtype=pd.ArrowDtype(coded.type))}),
        pd.DataFrame({"phone": pd.Categorical(narrow)}),
        pd.DataFrame({"phone": pd.arrays.SparseArray(narrow)}),
        pd.DataFrame({"phone": pd.array(narrow, dtype="Float32")}),
    ]
    if hasattr(pyarrow, "opaque"):  # from 18 on
        extended = pyarrow.ExtensionArray.from_storage(pyarrow.opaque(arrow.type, "float4", "a database"), arrow)
        tables += [
            pyarrow.table({"phone": extended}),
            pd.DataFrame({"phone": pd.arrays.ArrowExtensionArray(pyarrow.chunked_array([extended]))}),
        ]
    for table in tables:
        for row in rows_of(table):
            assert isinstance(row["phone"], np.float32), table


def test_a_value_of_arrow_that_python_does_not_have_names_its_column() -> None:
    pyarrow = require_package("pyarrow")
    table = pyarrow.table({"id": [1], "born": pyarrow.array([4_000_000], pyarrow.int32()).cast(pyarrow.date32())})
    with pytest.raises(
        UnreadableValueError, match=r"column 2 \('born', of type date32\[day\]\) of what upstream returned"
    ):
        rows_of(table)


def test_a_name_that_may_be_a_value_is_not_quoted() -> None:
    pyarrow = require_package("pyarrow")
    table = pyarrow.table({"+33612345678": pyarrow.array([4_000_000], pyarrow.int32()).cast(pyarrow.date32())})
    for rows in (table, table.to_pandas(types_mapper=pd.ArrowDtype)):
        with pytest.raises(UnreadableValueError, match=r"column 1 \(of type date32\[day\].*\) of what upstream"):
            rows_of(rows)


@pytest.mark.parametrize("kind", ["Categorical", "Enum"])
def test_a_category_of_polars_is_text(kind: str) -> None:
    polars = require_package("polars")
    dtype = polars.Enum(["FR", "DE"]) if kind == "Enum" else polars.Categorical
    assert rows_of(polars.DataFrame({"region": polars.Series(["FR", None, "DE"], dtype=dtype)})) == [
        {"region": "FR"},
        {"region": None},
        {"region": "DE"},
    ]


def test_a_table_without_rows_keeps_its_columns() -> None:
    (frame,) = read_upstream(arrow("polars", {"phone": [], "name": []}))
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


def test_a_column_that_speaks_arrow_is_no_table() -> None:
    series = require_package("polars").Series("phone", [MOBILE])
    with pytest.raises(NotRowsError, match="returned a Series, which is not a table, expected a DataFrame"):
        rows_of(series)


def test_arrow_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    table = arrow("polars", COLUMNS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        NotRowsError, match=r"a DataFrame, which needs pyarrow: install airflow-provider-octopush\[parquet\]"
    ):
        rows_of(table)


def test_a_name_that_a_row_has_twice_is_an_error() -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    of_sqlite = connection.execute("SELECT 1 AS phone, 'x' AS name, 2 AS phone").fetchall()
    of_sqlalchemy = list(
        sqlalchemy.create_engine("sqlite://")
        .connect()
        .execute(sqlalchemy.text("SELECT 1 AS phone, 'x' AS name, 2 AS phone"))
    )
    series = [pd.Series([1, "x", 2], index=["phone", "name", "phone"])]
    for rows in (of_sqlite, of_sqlalchemy, series):
        with pytest.raises(NotRowsError, match=r"^a row has two fields of the same name: give each its own name$"):
            rows_of(rows)


def test_an_empty_tuple_is_a_row_of_another_number_of_values() -> None:
    with pytest.raises(NotRowsError, match=r"item 1 .* is a tuple of 0 values, but data_columns names 2"):
        list(read_upstream([(), (1, 2)], columns=["phone", "name"]))


@pytest.mark.parametrize("kind", ["ArrowExtensionArray", "ArrowStringArray"])
def test_text_in_another_encoding_is_an_error_that_does_not_quote_it(kind: str) -> None:
    """Hive and old versions of Spark write such text into Parquet files, and pandas reads it."""
    pyarrow = require_package("pyarrow")
    text = "Zo\xe9".encode("latin-1")
    ends = pyarrow.py_buffer(np.array([0, len(text)], dtype=np.int32))
    column = pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, ends, pyarrow.py_buffer(text)])
    frame = pd.DataFrame({"name": pd.Series(getattr(pd.arrays, kind)(column))})
    with pytest.raises(UnreadableValueError, match=r"column 1 \('name', of type string.*\) of what upstream") as raised:
        rows_of(frame)
    assert "Zo" not in everything_in(raised.value)
