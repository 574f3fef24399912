from __future__ import annotations

import base64
import html
import json
import re
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.api import CONTACT_FIELDS, STATUSES
from airflow_provider_octopush.words import MASK, fold, shown, storable, words_in
from tests.hostile.quotes import QUOTES, Person

PERSON = Person()
VALUES = (PERSON.number, PERSON.first_name, PERSON.last_name, PERSON.param, PERSON.login, PERSON.key)


@pytest.mark.parametrize(
    "message",
    [
        "Something went wrong.",
        "A contact is not valid.",
        "Your message has no recipients",
        "You have not entered the list of recipient.",
        "This option is only available on request.",
        "phone_number: this field is required!",
        "Invalid value for param3",
        "Too Many Requests",
        "UNPROCESSABLE ENTITY",
        "login or api-key incorrect",
        "The list doesn't exist",
        "Le numéro de téléphone n'est pas valide.",
        "Crédit insuffisant",
        "L'adresse est manquante",
        "Réessayez plus tard",
    ],
)
def test_what_an_api_usually_says_is_shown(message: str) -> None:
    assert shown(message) == message


@pytest.mark.parametrize(
    "status", [*STATUSES, "pending", "rejected", "invalid_number", "opted-out", "BLACKLISTED", "no route"]
)
def test_statuses_that_an_api_may_have_are_shown(status: str) -> None:
    assert shown(status) == status


@pytest.mark.parametrize("field", CONTACT_FIELDS)
def test_the_names_of_fields_are_shown(field: str) -> None:
    assert shown(field) == field


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Contact Zoé is not valid", "Contact *** is not valid"),
        ("zoé dupont lefèvre", "***"),
        ("", ""),
        ("...", ""),
        ("7 contacts", "*** contacts"),
        ("at most 200 numbers", "at *** numbers"),
        ("contact\x00valid", "***"),
        ("contact\u200bvalid", "***"),
        ("cоntact", "***"),  # noqa: RUF001 - Cyrillic o
        ("NUMÉRO numero Numéro", "NUMÉRO numéro Numéro"),
        ("nu\u0308me\u0301ro\u0323", "numéro"),
        ("it’s", "it's"),  # noqa: RUF001 - as a typesetter writes it
        ("'phone_number' «valid»", "phone_number valid"),
        ("valid?!..., number", "valid? number"),
        ("phone \t\r\n number", "phone number"),
        ("x'phone", "***"),
        ("d'phone", "d'phone"),
        ("_phone", "***"),
        ("phone__number", "***"),
    ],
)
def test_all_else_is_masked(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("way", QUOTES)
def test_no_way_of_quoting_gets_through(way: str) -> None:
    text = shown(f"Contact {QUOTES[way](PERSON)} is not valid.", words_in(VALUES))
    assert re.fullmatch(
        rf"Contact {re.escape(MASK)} (?:(?:first_name|phone_number|invalid) \*\*\* )*is not valid\.", text
    )


@pytest.mark.parametrize(
    ("value", "hidden", "left"),
    [
        ("Contact", {"contact"}, {"contacts", "number"}),
        ("CONTACT", {"contact"}, {"number"}),
        ("Con-tact", {"contact"}, {"number"}),
        ("list.number@example.com", {"list", "number"}, {"contact"}),
        ("Listermann", {"list"}, {"contact"}),
        ("Numérologue", {"numero"}, {"number"}),
        ("Denis Nolan", set(), {"is", "no", "contact"}),
        ("Le Contact", {"le", "contact"}, {"la"}),
        ("M\u00f8re", {"more"}, {"number"}),
        ("\u0141im\u0131t \u00d0\u00e1te", {"limit", "date"}, {"number"}),
        ("val\u0131d", {"valid"}, {"number"}),
        ("param1", {"param1"}, {"param2"}),
        ("\uff23\uff4f\uff4e\uff54\uff41\uff43\uff54", {"contact"}, {"number"}),
        ("c o n t a c t", {"contact"}, {"number"}),
        ("", set(), {"contact"}),
    ],
)
def test_a_word_that_was_sent_is_not_shown_although_it_is_on_the_list(
    value: str, hidden: set[str], left: set[str]
) -> None:
    is_private = words_in(["Zoé", value])
    assert {word for word in hidden | left if is_private(word)} == hidden
    assert all(shown(word, is_private) == MASK for word in hidden)


def test_a_long_text_is_shown_in_part() -> None:
    text = shown("no " * 1000)
    assert text == "no " * 66 + "…"
    assert shown("Zoé " * 10_000) == MASK
    assert len(shown("numéro de téléphone invalide " * 100)) <= 210


def test_a_word_is_not_made_by_cutting() -> None:
    for size in range(3_990, 4_010):
        assert set(re.findall(r"\w+", shown("x" * size + " contacthuis " * 3))) <= set()


LISTED = ["contact", "Liste", "number", "param1", "phone_number", "numéro", "is", "no", "valide"]
TEXTS = st.text(max_size=20) | st.sampled_from(LISTED) | st.from_regex(r"[A-Za-zÀ-ÿ]{2,12}", fullmatch=True)
TEXTS |= st.from_regex(r"\+?[0-9]{4,15}", fullmatch=True) | st.builds(lambda a, b: a + b, TEXTS, TEXTS)
WAYS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    str.title,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: quote(text.encode(errors="replace")),
    html.escape,
    json.dumps,
    repr,
    lambda text: text[::-1],
    lambda text: text[1:],
    lambda text: text[:-2],
    lambda text: text[: len(text) // 2],
    lambda text: base64.b64encode(text.encode(errors="replace")).decode(),
    lambda text: text.encode(errors="replace").hex(),
    " ".join,
    "\u200b".join,
    lambda text: f"name_{text}_x",
    lambda text: f"<{text}>",
    lambda text: f"contact {text} number",
    lambda text: text.replace("e", "é"),
]


@given(
    values=st.lists(TEXTS, min_size=1, max_size=5),
    ways=st.lists(st.sampled_from(WAYS), max_size=4),
    around=st.sampled_from(["{}", "Contact {} is not valid", "{}:{}", "numéro ({}), {} "]),
)
@settings(max_examples=500, deadline=None)
def test_of_what_was_sent_nothing_is_shown_however_it_is_quoted(
    values: list[str], ways: list[Callable[[str], str]], around: str
) -> None:
    quoted = values[0]
    for way in ways:
        quoted = way(quoted)
    text = shown(around.format(quoted, quoted), words_in(values))
    assert not re.search(r"\d", re.sub(r"(?i)param[1-5]", "", text))
    sent = [re.split(r"[\W_]+", fold(value)) for value in values]
    for word in re.findall(r"[^\W_]+", fold(text)):
        for words in sent:
            assert word not in words
            assert len(word) < 4 or word not in "".join(words)


@given(st.text(max_size=300))
@settings(deadline=None)
def test_whatever_is_shown_is_on_the_list(text: str) -> None:
    result = shown(text)
    assert shown(result.replace(MASK, "")) == " ".join(result.replace(MASK, "").split())


@given(st.text(st.characters(), max_size=50))
def test_whatever_can_be_stored_is_stored_as_it_is(text: str) -> None:
    kept = storable(text)
    assert len(kept) == len(text)
    assert kept.encode().decode() == kept
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", kept)
    assert storable(kept) == kept


def test_what_is_stored_fits_into_a_cell() -> None:
    assert storable("a\tb\r\n\U0001f419") == "a\tb\r\n\U0001f419"
    assert len(storable("x" * 100_000)) == 32_000


def test_a_text_of_a_megabyte_costs_next_to_nothing() -> None:
    hostile = ["a" * 1_000_000, "contact " * 125_000, "a'" * 500_000, "\u0301\u0323" * 100_000, "\ufdfa" * 50_000]
    started = time.perf_counter()
    for text in hostile:
        shown(text, words_in(["x" * 1_000_000]))
        storable(text)
    shown("contact", words_in(hostile))
    assert time.perf_counter() - started < 3
