from __future__ import annotations

import datetime as dt
import decimal
import itertools
import json
import logging
from collections.abc import Callable
from operator import attrgetter

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.api import CONTACT_FIELDS
from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.mapping import ColumnError, ContactMapper
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.phones.possible import PossibleNumbers
from airflow_provider_octopush.phones.reader import PhoneReader


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=object)


def map_all(rows: pd.DataFrame, columns: dict[str, str] | None = None) -> list[Contact | Rejection]:
    contacts, rejections = ContactMapper(columns or {}, PhoneReader()).map(rows, 1)
    return sorted([*contacts, *rejections], key=attrgetter("row"))


def payloads(rows: pd.DataFrame, columns: dict[str, str] | None = None) -> list[dict[str, str]]:
    return [msgspec.to_builtins(row.payload) for row in map_all(rows, columns) if isinstance(row, Contact)]


def test_a_row_becomes_a_contact_with_its_number_in_e164() -> None:
    rows = frame(phone_number=["+33 01 49 70 65 65"], first_name=["Zoë"], last_name=["Ray"], param1=[7.0])
    assert payloads(rows) == [
        {"phone_number": "+33149706565", "first_name": "Zoë", "last_name": "Ray", "param1": "7"},
    ]


def test_a_column_may_name_the_region_of_each_row_and_is_not_sent() -> None:
    rows = frame(phone_number=["612345678", "0612345678", "0612345678"], country=["ES", "FR", None])
    assert payloads(rows, {"region": "country"}) == [{"phone_number": "+34612345678"}, {"phone_number": "+33612345678"}]


def test_the_sample_numbers_of_the_api_pass_digit_for_digit() -> None:
    numbers = ["+111222233334444", "+2222333334444555", "+3735555555560"]
    assert [p["phone_number"] for p in payloads(frame(phone_number=list(numbers)))] == numbers


def test_missing_values_are_left_out_of_the_payload() -> None:
    rows = frame(phone_number=["+33149706565"], first_name=[None], last_name=[float("nan")], param1=[" "])
    assert payloads(rows) == [{"phone_number": "+33149706565"}]


def test_lines_and_blanks_in_a_text_are_kept_beside_plain_ones() -> None:
    rows = frame(phone_number=["+33149706565", "+33149706566"], first_name=["one\ntwo", "three"], last_name=[" ", "x"])
    assert payloads(rows) == [
        {"phone_number": "+33149706565", "first_name": "one\ntwo"},
        {"phone_number": "+33149706566", "first_name": "three", "last_name": "x"},
    ]


def test_a_reason_names_a_type_only_where_the_type_is_the_reason() -> None:
    missing, foreign = map_all(frame(phone_number=[None, ["+33149706565"]]))
    assert isinstance(missing, Rejection)
    assert isinstance(foreign, Rejection)
    assert missing.reason == "phone number missing"
    assert "of type list" in foreign.reason


def test_columns_feed_the_fields_they_are_named_for() -> None:
    rows = frame(mobile=["+33149706565"], tier=[decimal.Decimal("2.0")], first_name=["Zoë"])
    assert payloads(rows, {"phone_number": "mobile", "param1": "tier"}) == [
        {"phone_number": "+33149706565", "first_name": "Zoë", "param1": "2.0"},
    ]


def test_one_column_can_feed_two_fields() -> None:
    rows = frame(phone_number=["+33149706565"], first_name=["Zoë"])
    assert payloads(rows, {"param1": "first_name"}) == [
        {"phone_number": "+33149706565", "first_name": "Zoë", "param1": "Zoë"},
    ]


def test_a_warehouse_that_shouts_is_understood() -> None:
    rows = frame(PHONE_NUMBER=["+33149706565"], TIER=["gold"])
    assert payloads(rows, {"param1": "tier"}) == [{"phone_number": "+33149706565", "param1": "gold"}]


def test_the_exact_name_of_a_column_comes_before_another_spelling() -> None:
    rows = frame(PHONE_NUMBER=["+33149706566"], phone_number=["+33149706565"])
    assert payloads(rows) == [{"phone_number": "+33149706565"}]


def test_a_missing_column_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(ColumnError, match=r"'mobile', which is not there; the columns are 'phone', 'first_name'"):
        map_all(frame(phone=["x"], first_name=["x"]), {"phone_number": "mobile"})


def test_rows_without_any_column_for_the_number_are_an_error() -> None:
    with pytest.raises(ColumnError, match=r"columns=\{'phone_number': …\}"):
        map_all(frame(phone=["x"]))


def test_a_column_that_is_there_twice_is_an_error() -> None:
    rows = pd.DataFrame([["+33149706565", "a", "b"]], columns=["phone_number", "first_name", "first_name"])
    with pytest.raises(ColumnError, match="'first_name', but there are 2 columns of that name"):
        map_all(rows)


def test_columns_that_feed_nothing_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    mapper = ContactMapper({}, PhoneReader())
    rows = frame(phone_number=["+33149706565"], email=["e"], city=["c"])
    with caplog.at_level(logging.INFO):
        mapper.map(rows, 1)
        mapper.map(rows, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "columns that feed no field of a contact: 'email', 'city'"
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["+33612345678", "Zoé", "Dupont"],
        ["Zoé", "06 12 34 56 78"],
        ["Zoé", "zoe@example.com"],
        ["Zoé", "٠٦١٢٣٤٥٦٧٨"],
    ],
)
def test_a_row_where_the_names_should_be_is_not_shown(names: list[str], caplog: pytest.LogCaptureFixture) -> None:
    rows = pd.DataFrame([[None] * len(names)], columns=names)
    with pytest.raises(ColumnError, match="is the row with the names missing") as raised:
        map_all(rows)
    with caplog.at_level(logging.INFO):
        map_all(rows.assign(phone_number="+33149706565"))
    assert len(caplog.records) == 1
    assert not any(name in str(raised.value) + caplog.text for name in names)


def test_names_with_a_year_are_shown() -> None:
    with pytest.raises(ColumnError, match="the columns are 'mobile', 'spent_2026', 'param_12345': say"):
        map_all(frame(mobile=["+33149706565"], spent_2026=["1"], param_12345=["1"]))


def test_what_is_wrong_with_columns_is_said_in_these_words() -> None:
    with pytest.raises(ColumnError) as no_name:
        ContactMapper({"param1": 7}, PhoneReader())  # type: ignore[dict-item]  # what a template may give
    assert str(no_name.value) == "columns says that 7 (int) feeds param1: write the name of a column"
    with pytest.raises(ColumnError) as nothing_there:
        map_all(pd.DataFrame(index=[0]))
    assert str(nothing_there.value) == (
        "phone_number is fed by column 'phone_number', which is not there; the columns are none: say which one it is "
        "with columns={'phone_number': …}"
    )
    with pytest.raises(ColumnError) as twice:
        map_all(pd.DataFrame([["a", "b"]], columns=["phone_number", "phone_number"]))
    assert str(twice.value) == (
        "phone_number is fed by column 'phone_number', but there are 2 columns of that name; the columns are "
        "'phone_number', 'phone_number': give each its own name in the query"
    )


def test_the_region_is_a_field_only_where_it_is_asked_for() -> None:
    assert "region" not in ContactMapper({}, PhoneReader()).fields
    assert ContactMapper({"region": "country"}, PhoneReader()).fields[-1] == "region"


def test_a_large_whole_number_keeps_its_digits_beside_a_column_of_fractions() -> None:
    rows = pd.DataFrame({"phone_number": [33149706565123456], "param1": [0.5]})
    (rejection,) = map_all(rows)
    assert isinstance(rejection, Rejection)
    assert rejection.values[0] == 33149706565123456


@pytest.mark.parametrize("others", [{}, {"extra": ["x"]}])
def test_rows_of_a_rejects_file_are_what_they_were_and_other_rows_stay_as_they_are(
    others: dict[str, list[object]],
) -> None:
    about: dict[str, list[object]] = {name: [""] for name in ("row", "outcome", "reason", "code", "message")}
    values: dict[str, list[object]] = {"phone_number": ["'+33149706565"], "first_name": ["'=1+1"], "param1": [7]}
    assert payloads(frame(**values, **about, **others)) == [
        {"phone_number": "+33149706565", "first_name": "=1+1", "param1": "7"}
    ]
    del about["code"]
    values["phone_number"] = ["+33149706565"]
    plain = frame(**values, **about, **others)
    assert payloads(plain) == [{"phone_number": "+33149706565", "first_name": "'=1+1", "param1": "7"}]


def test_a_rejection_has_all_values_of_its_row() -> None:
    rows = frame(phone_number=["n/a", "+33149706565"], first_name=["Zoé", "Bob"], param2=[None, "x"])
    rejection, _ = map_all(rows)
    assert isinstance(rejection, Rejection)
    assert rejection.values == ("n/a", "Zoé", None, None, None, None, None, None)[: len(rejection.values)]


def test_a_rejection_names_the_numbers_that_its_row_may_be_about_where_that_is_asked_for() -> None:
    rows = frame(
        phone_number=["0612345678", "06 12 34 56 7", "06 12 34 56 78 / 06 12 34 56 79", None],
        first_name=["a\0b", None, None, None],
        country=["FR", "FR", "FR", "FR"],
    )

    def numbers(possible: PossibleNumbers | None) -> list[frozenset[int]]:
        _, rejections = ContactMapper({"region": "country"}, PhoneReader(), possible).map(rows, 1)
        return [rejection.numbers for rejection in rejections]

    one, other = 33612345678, 33612345679
    assert numbers(PossibleNumbers()) == [{one}, frozenset(), {one, other}, frozenset()]
    assert numbers(None) == [frozenset()] * 4


def test_a_field_that_octopush_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="'phone', which is not a field of a contact: write one of phone_number"):
        ContactMapper({"phone": "mobile"}, PhoneReader())


def test_a_value_without_text_makes_its_row_invalid_and_no_other() -> None:
    rows = frame(phone_number=["+33149706565", "+33149706566"], param2=[["list"], "fine"])
    invalid, valid = map_all(rows)
    assert isinstance(invalid, Rejection)
    assert invalid.outcome is Outcome.INVALID
    assert invalid.reason == (
        "param2: a value of type list has no text form: give it as text, in a query by CAST(… AS text)"
    )
    assert isinstance(valid, Contact)


@pytest.mark.parametrize(("asked", "there"), list(itertools.permutations(["prénom", "pre\u0301nom", "PRÉNOM"], 2)))
def test_a_name_is_found_however_its_accents_are_encoded(asked: str, there: str) -> None:
    rows = pd.DataFrame([["+33149706565", "gold"]], columns=["phone_number", there], dtype=object)
    (contact,), _ = ContactMapper({"param1": asked}, PhoneReader()).map(rows, 1)
    assert contact.payload.param1 == "gold"


NFC, NFD = "prénom", "pre\u0301nom"


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ([NFD, NFC, NFC.upper()], 1),
        ([NFD.upper(), "prenom"], 0),
        ([NFC.upper(), NFD], None),
        (["prenom", "prènom"], None),
    ],
)
def test_the_closest_name_is_taken(columns: list[str], taken: int | None) -> None:
    rows = pd.DataFrame([["+33149706565", "0", "1", "2"][: len(columns) + 1]], columns=["phone_number", *columns])
    mapper = ContactMapper({"param1": NFC}, PhoneReader())
    if taken is None:
        with pytest.raises(ColumnError, match=r"there are 2 columns of that name|is not there"):
            mapper.map(rows, 1)
    else:
        (contact,), _ = mapper.map(rows, 1)
        assert contact.payload.param1 == str(taken)


@pytest.mark.parametrize("value", ["Zo\x00é", "\x1b[31m", b"\x01", "a\x85b"])
def test_a_field_with_a_control_character_makes_its_row_invalid(value: object) -> None:
    rows = pd.DataFrame([["+33149706565", value], ["+33149706566", "a\tb\r\n"]], columns=["phone_number", "first_name"])
    (contact,), (rejection,) = ContactMapper({}, PhoneReader()).map(rows, 1)
    assert contact.payload.first_name == "a\tb\r\n"
    assert rejection.reason.startswith("first_name: text with control characters")
    assert "Zo" not in rejection.reason


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_that_are_utf_8_are_text(kind: Callable[[bytes], object]) -> None:
    rows = frame(
        phone=[kind(b"01 49 70 65 65"), "+33149706566"],
        first_name=[kind("Zoé".encode()), kind(b"Zo\xe9")],
        country=[kind(b"FR"), None],
    )
    mapper = ContactMapper({"phone_number": "phone", "region": "country"}, PhoneReader())
    (contact,), (rejection,) = mapper.map(rows, 1)
    assert (contact.payload.phone_number, contact.payload.first_name) == ("+33149706565", "Zoé")
    assert rejection.reason == (
        "first_name: bytes that are not text in UTF-8: give them as text, in a query by decoding them, such as by "
        "convert_from(…, 'WIN1252')"
    )


class PGobject:
    """What a driver makes of a type that Python does not have."""


@pytest.mark.parametrize("phone", [PGobject(), dt.timedelta(1), [33149706565], b"\xff"])
def test_a_phone_that_is_a_drivers_object_says_which_and_what_to_write(phone: object) -> None:
    (invalid,) = map_all(frame(phone_number=[phone]))
    assert isinstance(invalid, Rejection)
    assert invalid.reason == (
        f"phone number is neither text nor a number: a value of type {type(phone).__name__} has no text form: "
        "give it as text, in a query by CAST(… AS text)"
    )


@pytest.mark.parametrize(
    "phone",
    [dt.date(2026, 11, 23), dt.datetime(2026, 11, 23), pd.Timestamp("2026-11-23")],  # noqa: DTZ001 - of no zone
)
def test_a_date_in_the_column_of_numbers_is_called_one(phone: object) -> None:
    (invalid,) = map_all(frame(phone_number=[phone]))
    assert isinstance(invalid, Rejection)
    assert invalid.reason == "a date, not a phone number"


def test_rows_keep_their_number_in_the_whole_input() -> None:
    mapper = ContactMapper({}, PhoneReader())
    rows = frame(phone_number=["+33149706565", None])
    (contact,), (rejection,) = mapper.map(rows, 11)
    assert (contact.row, rejection.row) == (11, 12)


#: What a column may hold: text of any kind, text of other libraries, and what is no text.
CELLS = (
    st.none()
    | st.text(st.characters(), max_size=20)
    | st.text(max_size=20).map(np.str_)
    | st.binary(max_size=5)
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.booleans()
    | st.dates()
    | st.lists(st.text(), max_size=2)
    | st.dictionaries(st.text(), st.text(), max_size=2)
    | st.sampled_from([pd.NaT, pd.NA, np.int64(7), np.float32(0.5), "\ud800", "\x00"])
)
PHONES = st.sampled_from(["+33149706565", "0033149706566", np.str_("+33149706567"), 33149706568, "+2222333334444555"])


@given(
    st.lists(
        st.fixed_dictionaries({"phone_number": PHONES | CELLS}, optional=dict.fromkeys(CONTACT_FIELDS[1:], CELLS)),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_rows_hold_a_contact_is_sent_as_the_api_documents_it(rows: list[dict[str, object]]) -> None:
    frame = pd.DataFrame(rows, columns=list(CONTACT_FIELDS), dtype=object)
    contacts, rejections = ContactMapper({}, PhoneReader()).map(frame, 1)
    assert len(contacts) + len(rejections) == len(rows)
    if contacts:
        body = OctopushHook().encode_contacts([contact.payload for contact in contacts])
        for sent in json.loads(body)["contacts"]:
            assert sent.keys() <= set(CONTACT_FIELDS)
            assert all(isinstance(value, str) and value.strip() for value in sent.values())
            assert sent["phone_number"]
