"""Who opted out stays out: whatever the text, the regions, the state of the rows and of the run before."""

from __future__ import annotations

import datetime as dt
import os
import random
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import phonenumbers
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from phonenumbers import PhoneNumber, PhoneNumberType

from airflow_provider_octopush.exceptions import OctopushServerError
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Behaviour, Fault
from airflow_provider_octopush.sources.errors import RowsNotReadError
from tests.operators.nights import LIST, Nights, Rows, check, number, people, read_csv
from tests.phones.numbers import REGIONS, digits_of, e164, international, invent, national

#: Seeds that each property is tried with; raise it to try as many as one likes.
SEEDS = int(os.environ.get("OPT_OUT_SEEDS", "5"))
TOGETHER = 60


def forms(number: PhoneNumber) -> list[str]:
    """Write a number in the ways in which tables have it."""
    digits, within = e164(number)[1:], national(number)
    return [e164(number), f"00{digits}", digits, within, digits_of(within), international(number), f"({within})"]


def numbers_of(rng: random.Random, region: str, count: int) -> list[PhoneNumber]:
    """Invent numbers of a region that people have, most of them mobiles."""
    kinds = [
        rng.choice([PhoneNumberType.MOBILE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE]) for _ in range(count)
    ]
    return [one for kind in kinds if (one := invent(region, kind, rng)) is not None]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nobody_is_sent_whose_text_is_among_the_opt_outs(nights: Nights, seed: int) -> None:
    rng = random.Random(seed)
    regions = rng.sample(REGIONS, rng.choice([1, 2, 2, 2, 3]))
    has_region = rng.random() < 0.4
    columns = {"phone_number": "mobile", "region": "country"} if has_region else {"phone_number": "mobile"}
    options: dict[str, Any] = {
        "columns": columns,
        "default_region": rng.sample(regions, rng.randrange(len(regions) + 1)) or None,
        "phone_check": rng.choice(["format", "valid", "mobile"]),
        "number_format": rng.choice(["national", "national", "international"]),
        "max_rejected": "100%",
        "max_removed": "100%",
        "max_opted_out": "100%",
    }
    rows, texts = [], []
    for region in regions:
        for one in numbers_of(rng, region, TOGETHER // len(regions)):
            text = rng.choice(forms(one))
            rows.append({"mobile": text, "country": rng.choice([region, None]) if has_region else None})
            texts.append((text, region, one))
    opted_out = []
    for text, region, one in rng.sample(texts, len(texts) // 2):
        # The same text, or the same person as another table has them.
        written = text if rng.random() < 0.7 else rng.choice([e164(one), f"{e164(one)} "])
        row = {"mobile": written}
        if has_region and rng.random() < 0.5:
            row["country"] = region if written == text else ""
        opted_out.append(row)
    blocked = {(row["mobile"], row.get("country") or None) for row in opted_out}
    # The first night has everybody, or some of them, on the list.
    if rng.random() < 0.5:
        nights.run(rng.sample(rows, len(rows) // 2), **options)
    before = nights.simulator.requests_total
    nights.run(rows, opted_out=opted_out, **options)
    # What a row with this text, this region and these settings is sent as, when nobody has opted out.
    sent_as = Nights(nights.simulator, nights.snapshot_path.parent / "alone")
    requests = nights.simulator.requests[before - nights.simulator.requests_total :]
    sent = {contact for request in requests if request.path == "contact/create" for contact in request.contacts}
    on_list = nights.on_list
    nights.simulator.reset(Behaviour())
    same_text = [row for row in rows if blocked & {(row["mobile"], None), (row["mobile"], row["country"])}]
    sent_as.run(same_text, on_empty="succeed", **options)
    would_be_sent = {
        contact
        for request in nights.simulator.requests
        if request.path == "contact/create"
        for contact in request.contacts
    }
    assert not sent & would_be_sent, "somebody who opted out was sent"
    assert not on_list & would_be_sent, "somebody who opted out is on the list"
    people_out = {row["mobile"].strip() for row in opted_out if row["mobile"].startswith("+")}
    assert not (sent | on_list) & people_out


def test_an_opt_out_counts_in_each_region_in_which_rows_are_read(nights: Nights) -> None:
    options: dict[str, Any] = {"columns": {"phone_number": "phone_number", "region": "region"}, "default_region": "FR"}
    stops = [{"number": "612345678"}]
    check(nights.run([{"phone_number": "612345678", "region": "ES"}], opted_out=stops, **options), opted_out=1, added=0)
    # Also where only yesterday's rows were of that country, or a number with a plus is what tells it.
    other = Nights(nights.simulator, nights.snapshot_path.parent / "other")
    rows = [{"phone_number": "612345678", "region": "ES"}, {"phone_number": "612345679", "region": "ES"}]
    check(other.run(rows, **options), added=2)
    check(other.run(rows[1:], opted_out=stops, **options), removed=1, removed_opted_out=1, unchanged=1)
    third = Nights(nights.simulator, nights.snapshot_path.parent / "third")
    plus = [{"phone_number": "+34612345678", "region": None}, {"phone_number": "+34612345679", "region": None}]
    check(third.run(plus, opted_out=stops, **options), opted_out=1, updated=1)


def test_a_country_that_appears_among_tonight_s_rows_removes_whom_it_concerns(nights: Nights) -> None:
    # Put there in a run whose snapshot knew the country: a contact of France cannot be on the list without.
    nights.run(people(1, 2), default_region="FR")
    check(nights.run(people(1, 2), opted_out=[{"n": "0612340002"}]), opted_out=1, removed=1, removed_opted_out=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize(
    ("row", "stop"),
    [
        ("+5491123456789", "+541123456789"),
        ("+541123456789", "011 15-2345-6789"),
        ("+525512345678", "+5215512345678"),
        ("+5215512345678", "55 1234 5678"),
        ("+5511987654321", "+551187654321"),
        ("+551187654321", "11 98765-4321"),
    ],
)
def test_forms_of_one_line_are_one_line(nights: Nights, row: str, stop: str) -> None:
    regions = {"+54": "AR", "+52": "MX", "+55": "BR"}
    summary = nights.run([{"phone_number": row}], opted_out=[{"n": stop}], default_region=regions[row[:3]])
    check(summary, opted_out=1, added=0)


def test_a_text_with_a_region_or_a_plus_stands_for_that_country_only(nights: Nights) -> None:
    options: dict[str, Any] = {"columns": {"phone_number": "phone_number", "region": "region"}}
    rows = [{"phone_number": "612345678", "region": region} for region in ("ES", "FR")]
    check(nights.run(rows, opted_out=[{"n": "612345678", "region": "ES"}], **options), opted_out=1, added=1)
    assert nights.on_list == {"+33612345678"}
    other = Nights(nights.simulator, nights.snapshot_path.parent / "other")
    check(other.run(rows, opted_out=[{"n": "+33612345678"}], **options), opted_out=1, added=1)


@pytest.mark.parametrize(
    ("row", "stop", "region"),
    [
        ("+1 514 499 0159", "+1 514 499 0159-107", None),
        ("+1 514 499 0159", "tel:+1-514-499-0159-107", None),
        ("+33 6 12 34 56 78", "+33 6 12 34 56 78 12", "FR"),
        ("+33 6 12 34 56 78", "+33 6 12 34 56 78 (5)", None),
        ("06 12 34 56 78", "06 12 34 56 78-12", "FR"),
        ("06 12 34 56 78", "id 12345 06 12 34 56 78", "FR"),
        ("06 12 34 56 78", "06 12 34 56 78 2024", "FR"),
        ("06 12 34 56 78", "1) 0612345678", "FR"),
        ("06 12 34 56 78", "06 12 34 56 78 + 06 12 34 56 79", "FR"),
        ("06 12 34 56 79", "06 12 34 56 78 + 06 12 34 56 79", "FR"),
        ("0171/1234567", "0171/1234567 privat", "DE"),
        ("0151 23456789", "0151 23456789 0152 34567890", "DE"),
        ("0152 34567890", "0151 23456789 0152 34567890", "DE"),
        ("+33612345678", "; ".join(f"+336123456{n}" for n in range(60, 91)), None),
        ("+33612345678", ["+33612345678"], None),
        ("+33612345678", {"mobile": "+33 6 12 34 56 78"}, None),
        ("+33612345678", b"+33612345678\xa0", None),
        ("+33612345678", "+33&nbsp;6&nbsp;12&nbsp;34&nbsp;56&nbsp;78", None),
        ("33612345678", "-33612345678", "FR"),
        ("33612345678", -33612345678, "FR"),
        ("33612345678", 33612345678.5, "FR"),
    ],
)
def test_an_opt_out_blocks_every_number_that_stands_in_it_and_says_that_it_is_not_just_one(
    nights: Nights, row: str, stop: Any, region: str | None
) -> None:
    rows = [{"phone_number": row}]
    stops = [{"n": stop}, {"n": "+34612345678"}]
    nights.run([*rows, *people(1)], default_region=region)
    summary = nights.run([*rows, *people(1)], opted_out=stops, default_region=region, max_rejected=1)
    check(summary, opted_out=1, opted_out_invalid=1, removed=1, removed_opted_out=1)
    assert nights.on_list == {number(1)}
    with pytest.raises(AirflowFailException, match="1 of 2 opt-outs cannot be read"):
        nights.run([*rows, *people(1)], opted_out=stops, default_region=region)
    # The same text protects a contact that is on the list, and is no row of a rejects file.
    other = Nights(nights.simulator, nights.snapshot_path.parent / "other")
    other.run([*rows, *people(2)], default_region=region)
    check(other.run([{"phone_number": stop}, *people(2)], default_region=region, max_rejected=1), removed=0, invalid=1)


def test_a_number_dialled_abroad_from_the_region_of_its_row_is_blocked(nights: Nights) -> None:
    rows = [{"phone_number": "011 44 7400 123456", "r": "US"}, *({**row, "r": None} for row in people(1))]
    stops = [{"n": "011 44 7400 123456"}, {"n": "+15144990159"}]
    summary = nights.run(rows, opted_out=stops, default_region="GB", columns={"region": "r"}, max_rejected=2)
    check(summary, opted_out=1, added=1)


def test_opt_outs_are_read_by_the_columns_of_the_rows(nights: Nights) -> None:
    columns = {"phone_number": "mobile", "region": "country"}
    rows = [{"mobile": "612345678", "country": region} for region in ("ES", "FR")]
    stops = [{"mobile": "612345678", "country": "FR", "since": "2026"}]
    check(nights.run(rows, opted_out=stops, columns=columns), opted_out=1, added=1)
    assert nights.on_list == {"+34612345678"}
    with pytest.raises(AirflowFailException, match="opted_out gives 3 columns, but none of them is 'mobile'"):
        nights.run(rows, opted_out=[{"tel": "612345678", "country": "FR", "since": "2026"}], columns=columns)


def test_blank_opt_outs_stand_for_nobody(nights: Nights) -> None:
    stops = [{"n": number(1)}, {"n": number(9)}, {"n": number(10)}, {"n": None}, {"n": "  "}, {"n": "N/A"}]
    check(nights.run(people(1, 2), opted_out=stops), opted_out=1, added=1, opted_out_blank=3, opted_out_invalid=0)


@pytest.mark.parametrize("name", ["number", "PHONE_NUMBER", "mobile"])
@pytest.mark.parametrize("max_rejected", [0, "60%"])
@pytest.mark.parametrize(
    "form",
    ["{}", "{} ext. 5", "{} (mobile)", "{} / +33698765432", "{};+33698765432", ["{}"]],
    ids=lambda form: str(form),
)
def test_an_opt_out_in_another_column_than_most_blocks_and_cannot_be_read(
    nights: Nights, name: str, max_rejected: Any, form: Any
) -> None:
    nights.run(people(1, 2, 3, 4))
    value = form.format(number(2)) if isinstance(form, str) else [number(2)]
    sources = [
        {"phone_number": number(1), "email": None, "created": "2026-11-20 10:00:00", "id": 1},
        {name: value, "created": "2026-11-20 10:00:00", "id": 2},
        {"email": "zoe@example.com", "created": "2026-11-20 10:00:00", "id": 3},
    ]
    if max_rejected:
        summary = nights.run(people(1, 2, 3), opted_out=sources, max_rejected=max_rejected)
        check(summary, opted_out_invalid=1, opted_out_blank=1, opted_out=2, removed=3)
    else:
        with pytest.raises(AirflowFailException, match="1 × phone number missing in its column, but another one has"):
            nights.run(people(1, 2, 3), opted_out=sources)
    assert not {number(1), number(2)} & nights.on_list


@pytest.mark.parametrize("default_region", [None, "FR"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "unknown",
        "STOP",
        "x",
        "+",
        "+33",
        "1",
        12345,
        -1,
        1.5,
        True,
        dt.date(2026, 11, 20),
        "10.0.0.1",
        "3E+10",
        # Keys, addresses and numbers mistyped: they have digits enough for a number.
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "zoe19780412@example.com",
        "C-00012345",
        "CUST10023456",
        "10023456",
        10023456,
        1234567,
        1764500000,
        "20261130-0001",
    ],
)
def test_an_opt_out_is_in_another_column_wherever_its_own_holds_no_number(
    nights: Nights, value: Any, default_region: str | None
) -> None:
    options: dict[str, Any] = {"default_region": default_region, "max_rejected": 1}
    nights.run(people(1, 2, 3), **options)
    stops = [{"phone_number": value, "number": number(2)}, {"phone_number": number(9), "number": None}]
    check(nights.run(people(1, 2, 3), opted_out=stops, **options), opted_out=1, opted_out_invalid=1, removed=1)
    assert nights.on_list == {number(1), number(3)}


@pytest.mark.parametrize("region", [None, "FR"])
@pytest.mark.parametrize("default_region", [None, "FR", ["FR", "DE"]])
@pytest.mark.parametrize(
    "make",
    [
        lambda rng: uuid.UUID(int=rng.getrandbits(128), version=4),
        lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        lambda rng: f"{rng.getrandbits(128):032x}",
        lambda rng: f"{rng.getrandbits(64):016x}",
        lambda rng: f"CUST{rng.randrange(10**7, 10**8)}",
    ],
    ids=["UUID", "UUID as text", "MD5", "hash", "prefix"],
)
def test_no_key_hides_the_number_beside_it(nights: Nights, make: Any, default_region: Any, region: str | None) -> None:
    rng = random.Random(f"{default_region} {region}")
    keys = [make(rng) for _ in range(20)]
    options: dict[str, Any] = {"default_region": default_region, "max_rejected": "100%", "max_opted_out": "100%"}
    nights.run(people(*range(30)), **options)
    stops = [{"phone_number": key, "region": region, "tel": number(n)} for n, key in enumerate(keys)]
    readable = [{"phone_number": number(n), "region": None} for n in range(40, 70)]
    nights.run(people(*range(30)), opted_out=[*stops, *readable], **options)
    assert not {number(n) for n in range(len(keys))} & nights.on_list
    assert {number(n) for n in range(20, 30)} <= nights.on_list


@pytest.mark.parametrize("key", [12345678, "12345678;42", "712340002"])
@pytest.mark.parametrize(
    "other",
    [
        *(number(2), "06 12 34 00 02", "0033612340002", 33612340002, f"{number(2)} ext. 5"),
        *(number(2).encode(), memoryview(number(2).encode())),
    ],
    ids=["plus", "national", "00", "integer", "extension", "bytes", "memoryview"],
)
@pytest.mark.parametrize("region", [None, "FR", "UK"])
def test_beside_a_key_any_form_of_a_number_blocks(nights: Nights, key: Any, other: Any, region: str | None) -> None:
    options: dict[str, Any] = {"default_region": "FR", "max_rejected": 1}
    nights.run(people(1, 2), **options)
    stops = [{"phone_number": key, "number": other, "region": region}, {"phone_number": number(9)}]
    nights.run(people(1, 2), opted_out=stops, **options)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("key", [None, 10023456, "A794336971", "ORD-123456789", "7c9e6679-7425-40de-944b-e07fc1f90ae7"])
@pytest.mark.parametrize(
    "text",
    [
        *("20/11/2026 {}", "2026-11-20 10:15 {}", "1. {}", "line 2: {}", "{} (20/11/2026)", "-{}", "- {}", "\u2013{}"),
        *("sip:{}@example.com", "sms:{}?body=STOP", "tel2:{}", "mailto:z9@example.com,{}"),
    ],
)
@pytest.mark.parametrize("region", [None, "FR"])
def test_in_another_column_a_number_blocks_among_other_text(
    nights: Nights, key: Any, text: str, region: str | None
) -> None:
    options: dict[str, Any] = {"default_region": "FR", "max_rejected": "50%", "max_opted_out": "100%"}
    forms = [number(2), "+33 6 12 34 00 03", *(("06 12 34 00 04", "0612340005") if " " in text else ())]
    nights.run(people(*range(1, 2 + len(forms))), **options)
    stops = [{"phone_number": key, "note": text.format(form), "region": region} for form in forms]
    readable = [{"phone_number": one["phone_number"]} for one in people(*range(90, 100))]
    summary = nights.run(people(*range(1, 2 + len(forms))), opted_out=[*stops, *readable], **options)
    check(summary, opted_out=len(forms), opted_out_invalid=len(forms))
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("key", [None, "", "FR", 10023456])
@pytest.mark.parametrize("other", [number(2), "06 12 34 00 02", 33612340002, f"STOP {number(2)}"])
def test_a_number_in_the_column_of_the_region_blocks(nights: Nights, key: Any, other: Any) -> None:
    options: dict[str, Any] = {"default_region": "FR", "max_rejected": 1}
    nights.run(people(1, 2), **options)
    stops = [{"phone_number": number(9), "region": "FR"}, {"phone_number": key, "region": other}]
    check(nights.run(people(1, 2), opted_out=stops, **options), opted_out=1, opted_out_invalid=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("after", ["..", "--", "__", " - -", ". . .", "_", "\u2026"])
def test_an_opt_out_with_signs_in_place_of_digits_stops_the_run(nights: Nights, after: str) -> None:
    masked = {"phone_number": number(2)[:-2] + after}
    nights.run(people(1, 2))
    with pytest.raises(AirflowFailException, match="none of 1 opt-outs can be read"):
        nights.run(people(1, 2), opted_out=[masked])
    # A number that is whole before them is blocked.
    nights.run(people(1, 2), opted_out=[{"phone_number": number(2) + after}, *people(*range(10, 20))], max_rejected=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("sent", ["+62937551989", "+4950008063608", "+4312345678901"])
@pytest.mark.parametrize("owns", [True, False])
def test_a_number_that_libphonenumber_does_not_know_blocks_without_its_plus_too(
    nights: Nights, sent: str, *, owns: bool
) -> None:
    """Also if the digits are a valid number in another reading."""
    region = phonenumbers.region_code_for_country_code(phonenumbers.parse(sent).country_code or 0)
    nights.run([{"phone_number": sent}, *people(1)], default_region=region)
    assert nights.on_list == {sent, number(1)}
    stops = [{"phone_number": sent[1:], "region": region if owns else None}]
    nights.run([{"phone_number": sent}, *people(1)], default_region=region, opted_out=stops)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("prefix", ["01", "044", "045"])
@pytest.mark.parametrize("blank", ["", " "])
def test_a_trunk_prefix_that_has_gone_blocks_all_the_same(nights: Nights, prefix: str, blank: str) -> None:
    rows = [{"phone_number": "+522221234553"}, *people(1)]
    nights.run(rows)
    stops = [{"phone_number": f"{prefix}{blank}2221234553", "region": "MX"}, *people(*range(5, 9))]
    nights.run(rows, opted_out=stops, max_rejected=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("name", [number(2), "0612340002", "06 12 34 00 02", "33612340002"])
def test_an_opt_out_in_the_place_of_a_name_stops_the_run(nights: Nights, name: str) -> None:
    """A CSV without a row of names is read as if its first row were one."""
    nights.run(people(1, 2, 3))
    with pytest.raises(AirflowFailException, match="gives 1 columns, but none of them is 'phone_number'") as raised:
        nights.run(people(1, 2, 3), opted_out=[{name: number(3)}])
    assert name not in str(raised.value)
    assert nights.on_list == {number(1), number(2), number(3)}


@pytest.mark.parametrize(
    ("stop", "sent"),
    [
        ({"phone_number": 6201396650, "region": "HU"}, "+36201396650"),
        ({"phone_number": 549984902, "region": "SM"}, "+3780549984902"),
        ({"phone_number": 701234567, "region": "CI"}, "+2250701234567"),
    ],
)
def test_a_zero_that_an_integer_has_lost_is_restored(nights: Nights, stop: dict[str, Any], sent: str) -> None:
    nights.run([{"phone_number": sent}, *people(1)])
    stops = [stop, *({"phone_number": number(n), "region": None} for n in range(5, 9))]
    nights.run([{"phone_number": sent}, *people(1)], opted_out=stops, max_rejected=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize(
    ("region", "text", "sent"),
    [
        ("CL", "09 8765 4321", "+56987654321"),
        ("PL", "0601234567", "+48601234567"),
        ("CZ", "0601 123 456", "+420601123456"),
        ("ES", "0612345678", "+34612345678"),
        ("DK", "021234567", "+4521234567"),
    ],
)
def test_a_zero_too_many_blocks_and_protects(nights: Nights, region: str, text: str, sent: str) -> None:
    """Where no zero is dialled, such as where none is dialled any longer."""
    row = {"phone_number": sent, "region": region}
    written, others = {"phone_number": text, "region": region}, [{**one, "region": "FR"} for one in people(1)]
    options: dict[str, Any] = {"columns": {"region": "region"}, "max_rejected": 1}
    nights.run([row, *others], **options)
    nights.run([written, *others], **options)
    assert nights.on_list == {sent, number(1)}
    nights.run([row, *others], opted_out=[written, *people(*range(5, 9))], **{**options, "columns": {}})
    assert nights.on_list == {number(1)}


class Unwritable:
    def __str__(self) -> str:
        raise ValueError("a value of a row")

    __repr__ = __str__


@pytest.mark.parametrize("region", [Unwritable(), 10**5000], ids=["object", "integer"])
def test_a_region_of_any_kind_does_not_sink_the_run(nights: Nights, region: Any) -> None:
    nights.run(people(1, 2))
    stops = [{"phone_number": None, "region": region}, *({**one, "region": "FR"} for one in people(2, 5))]
    nights.run(people(1, 2), opted_out=stops, max_rejected=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize("odd", [Decimal("1E+1000000"), {"a": Decimal("NaN")}, [Decimal("sNaN")]])
def test_an_odd_value_does_not_sink_the_run(nights: Nights, odd: Any) -> None:
    options: dict[str, Any] = {"max_rejected": 1, "max_opted_out": 2}
    stops = [{"phone_number": odd}, {"phone_number": number(2)}]
    check(nights.run([{"phone_number": odd}, *people(1, 2)], opted_out=stops, **options), invalid=1, opted_out=1)
    assert nights.on_list == {number(1)}


def test_what_may_be_a_key_or_a_number_blocks_like_the_number_beside_it(nights: Nights) -> None:
    nights.run(people(1, 2, 3), default_region="FR")
    stops = [{"phone_number": "mob612340002", "number": number(1)}, {"phone_number": number(9)}]
    nights.run(people(1, 2, 3), opted_out=stops, default_region="FR", max_rejected=1)
    assert nights.on_list == {number(3)}


@pytest.mark.parametrize("region", ["DE", "GB", "US", "IT"])
@pytest.mark.parametrize("owns", [True, False])
def test_a_key_as_long_as_some_numbers_of_the_country_hides_none(nights: Nights, region: str, *, owns: bool) -> None:
    rng = random.Random(f"{region} {owns}")
    regions = [*phonenumbers.COUNTRY_CODE_TO_REGION_CODE[phonenumbers.country_code_for_region(region)], "FR"]
    keys = ["".join(rng.choices("123456789", k=rng.randrange(5, 10))) for _ in range(60)]
    keys = [
        key for key in keys if not any(phonenumbers.is_valid_number(phonenumbers.parse(key, one)) for one in regions)
    ]
    options: dict[str, Any] = {"default_region": region, "max_rejected": "100%", "max_opted_out": "100%"}
    nights.run(people(*range(len(keys))), **options)
    stops = [{"phone_number": key, "region": region if owns else None, "tel": number(n)} for n, key in enumerate(keys)]
    nights.run(people(*range(len(keys))), opted_out=[*stops, *people(99)], **options)
    assert len(keys) > 5
    assert not nights.on_list


def test_without_a_country_a_number_beside_a_key_blocks_as_it_does_alone(nights: Nights) -> None:
    rows = [{"phone_number": f"06123400{n:02}", "r": "FR"} for n in (1, 2)]
    stops = [{"phone_number": "12345678", "number": "0612340002"}, {"phone_number": number(9)}]
    nights.run(rows, opted_out=stops, columns={"region": "r"}, max_rejected=1)
    assert nights.on_list == {number(1)}


def test_digits_within_one_key_beside_another_block_nobody(nights: Nights) -> None:
    nights.run(people(1, 2), default_region="FR")
    stops = [{"phone_number": 12345678, "id": "af061234-0001-469f-a165-70867728950e"}, {"phone_number": number(9)}]
    nights.run(people(1, 2), opted_out=stops, default_region="FR", max_rejected=1)
    assert nights.on_list == {number(1), number(2)}


@pytest.mark.parametrize(
    "value",
    [
        *(number(2), f"{number(2)} ext. 5", f"{number(2)} / {number(3)}", f"{number(2)} (mobile)"),
        *(
            "06 12 34 00 02 (portable)",
            "06 12 34 00 02 STOP 20/11/2026",
            "home 06 12 34 00 02",
            "tel0612340002",
            f"{number(2)}x5",
            "+0612340002",
            "06 12 34 00 0",
            "0712340002",
        ),
    ],
)
@pytest.mark.parametrize("region", [None, "UK"])
def test_beside_the_number_of_an_opt_out_another_column_blocks_nobody(
    nights: Nights, value: str, region: str | None
) -> None:
    stops = [{"phone_number": value, "agent": number(1), "region": region}]
    options: dict[str, Any] = {"default_region": "FR", "max_rejected": 1}
    nights.run(people(1, 4), opted_out=[*stops, *people(9)], **options)
    assert nights.on_list == {number(1), number(4)}


def test_nor_where_all_numbers_are_international_beside_one_of_a_new_country(nights: Nights) -> None:
    options: dict[str, Any] = {"number_format": "international", "max_rejected": 1}
    nights.run(people(1, 4), **options)
    stops = [{"phone_number": "4915112345678", "agent": number(1)}, *people(9)]
    nights.run(people(1, 4), opted_out=stops, **options)
    assert nights.on_list == {number(1), number(4)}


def test_nor_where_no_country_is_known_beside_digits_that_begin_with_a_country_code(nights: Nights) -> None:
    stops = [{"phone_number": "33612340002", "agent": number(1)}, *people(9)]
    nights.run(people(1, 2), opted_out=stops, max_rejected=1)
    assert nights.on_list == {number(1)}


@pytest.mark.parametrize(
    "text",
    ["+06 12 34 00 02", "+06 12 34 00 02 STOP 20/11/2026", "+0033612340002 (2)", "+06 12 34 00 02 / +33698765432"],
)
@pytest.mark.parametrize("region", [None, "FR"])
def test_a_plus_too_many_blocks_as_an_opt_out_and_protects_as_a_row(
    nights: Nights, text: str, region: str | None
) -> None:
    options: dict[str, Any] = {"columns": {"region": "region"}, "default_region": "FR", "max_rejected": 1}
    rows = [{**row, "region": None} for row in people(1, 2)]
    written = {"phone_number": text, "region": region}
    nights.run(rows, **options)
    check(nights.run([rows[0], written], **options), invalid=1, removed=0, unchanged=1)
    check(nights.run(rows, opted_out=[written, {"phone_number": number(9), "region": None}], **options), removed=1)
    assert nights.on_list == {number(1)}


def test_a_row_that_may_be_about_another_number_than_the_opted_out_one_protects_that(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    rows = [{"phone_number": f"{number(1)} / {number(2)}"}, *people(3)]
    summary = nights.run(rows, opted_out=people(1), max_rejected=1)
    check(summary, invalid=1, opted_out=0, unchanged=1, removed=1, removed_opted_out=1)
    assert nights.on_list == {number(2), number(3)}


def test_an_opt_out_of_an_unknown_region_blocks_and_counts_as_unreadable(nights: Nights) -> None:
    options: dict[str, Any] = {"columns": {"phone_number": "n", "region": "r"}, "default_region": "GB"}
    rows = [{"n": "07400123456", "r": "GB"}, {"n": "07400123457", "r": "GB"}]
    summary = nights.run(
        rows, opted_out=[{"n": "07400123456", "r": "UK"}, {"n": "07400000000", "r": ""}], max_rejected=1, **options
    )
    check(summary, opted_out=1, opted_out_invalid=1, added=1)


class TestWhatTheLastRunKnew:
    """How many people had opted out is known whatever became of the run."""

    stops: ClassVar[Rows] = [{"n": number(n)} for n in range(100, 110)]

    def test_a_run_that_failed_remembers(self, nights: Nights) -> None:
        nights.run(people(1))
        nights.simulator.fail_next(*[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run(people(1, 2), opted_out=self.stops)
        with pytest.raises(AirflowFailException, match="failed reload"):
            nights.run(people(*range(100, 110)), opted_out=[])
        assert nights.on_list == {number(1)}

    def test_between_two_tries_of_a_first_run(self, nights: Nights) -> None:
        nights.simulator.fail_next(*[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run(people(1, 2), opted_out=self.stops)
        with pytest.raises(AirflowFailException, match="failed reload"):
            nights.run(people(*range(100, 110)), night=nights.night, opted_out=[])
        assert not nights.on_list

    def test_a_run_without_opt_outs_forgets_nothing(self, nights: Nights) -> None:
        nights.run(people(1, 2), opted_out=self.stops)
        nights.run(people(1, 2))
        with pytest.raises(AirflowFailException, match="failed reload"):
            nights.run(people(1, 2), opted_out=[])

    def test_runs_that_fail_do_not_lower_it_step_by_step(self, nights: Nights) -> None:
        stops = [{"n": number(n)} for n in range(1000, 1200)]
        nights.run(people(*range(60)), opted_out=stops)
        with pytest.raises(AirflowFailException, match="max_removed"):
            nights.run(people(*range(20)), opted_out=stops[:184])
        nights.simulator.fail_next(*[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run(people(*range(61)), opted_out=stops[:184])
        with pytest.raises(AirflowFailException, match="rows were rejected"):
            nights.run([*people(*range(61)), {"phone_number": "x"}], opted_out=stops[:184])
        with pytest.raises(AirflowFailException, match="169 opt-outs were read, and 200 the last time"):
            nights.run(people(*range(61)), opted_out=stops[:169])
        check(nights.run(people(*range(61)), opted_out=stops[:184]), kept=0)
        check(nights.run(people(*range(61)), opted_out=stops[:169]), kept=0)

    def test_a_run_that_stops_does_not_lower_it(self, nights: Nights) -> None:
        stops = [{"n": number(n)} for n in range(1000, 1200)]
        nights.run(people(1), opted_out=stops)
        for count in (100, 100, 179):
            with pytest.raises(
                AirflowFailException, match=rf"{count} opt-outs were read, and 200 the last time.*are 180"
            ):
                nights.run(people(1, 2), opted_out=stops[:count])
        check(nights.run(people(1, 2), opted_out=stops[:180]), added=1)

    @pytest.mark.parametrize(
        ("last", "now", "least", "stops"),
        [
            (10, 1, None, False),
            (10, 0, None, True),
            (1, 0, None, True),
            (12, 2, None, False),
            (13, 2, None, True),
            (300, 270, None, False),
            (300, 269, None, True),
            (10, 0, "0%", False),
            (10, 0, 0, False),
            (300, 150, "50%", False),
            (300, 149, "50%", True),
            (3, 2, "60%", False),
            (3, 1, "60%", True),
            (0, 5, "6", True),
            (0, 6, "6", False),
        ],
    )
    def test_half_a_reload_is_no_consent(self, nights: Nights, last: int, now: int, least: Any, *, stops: bool) -> None:
        numbers = [{"n": number(n)} for n in range(1000, 1300)]
        nights.run(people(1), opted_out=numbers[:last])
        before = nights.simulator.requests_total
        if stops:
            with pytest.raises(AirflowFailException, match="failed reload, not consent"):
                nights.run(people(1, 2), opted_out=numbers[:now], min_opted_out=least)
            assert nights.simulator.requests_total == before
        else:
            check(nights.run(people(1, 2), opted_out=numbers[:now], min_opted_out=least), added=1)


def test_a_night_that_fails_makes_no_fewer_enough_for_the_next_one(nights: Nights) -> None:
    numbers = [{"n": number(n)} for n in range(1000, 1100)]
    nights.run(people(1), opted_out=numbers)
    nights.simulator.behaviour = Behaviour(fault_rate=1.0, faults=(Fault(status=503, retry_after="0"),))
    with pytest.raises(OctopushServerError):
        nights.run(people(1, 2), opted_out=numbers[:90], min_opted_out="90%")
    with pytest.raises(AirflowFailException, match="failed reload, not consent"):
        nights.run(people(1, 2), opted_out=numbers[:81], min_opted_out="90%")


class TestAStepOfTheirOwn:
    """Nothing that is wrong with the rows keeps who opted out on the list."""

    @pytest.fixture(autouse=True)
    def _list(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))

    stops: ClassVar[Rows] = [{"n": number(3)}]

    def test_too_many_rejected_rows(self, nights: Nights) -> None:
        with pytest.raises(AirflowFailException, match="rows were rejected"):
            nights.run([*people(1, 2), {"phone_number": "n/a"}], opted_out=self.stops)
        assert nights.on_list == {number(1), number(2)}
        check(nights.pushed, removed=1, removed_opted_out=1)

    def test_no_row(self, nights: Nights) -> None:
        with pytest.raises(AirflowSkipException):
            nights.run([], opted_out=self.stops, on_empty="skip")
        assert nights.on_list == {number(1), number(2)}
        check(nights.run(people(1, 2), opted_out=self.stops), snapshot_before=2, removed=0, requests=0)

    @pytest.mark.parametrize("on_empty", ["skip", "fail", "succeed"])
    def test_no_row_and_a_removal_that_is_refused(self, nights: Nights, on_empty: str) -> None:
        nights.simulator.behaviour = Behaviour(undeletable=frozenset({number(3)}))
        with pytest.raises(AirflowFailException, match="Octopush refused to remove 1 of them"):
            nights.run([], opted_out=self.stops, on_empty=on_empty)
        check(nights.pushed, removed=0)
        assert number(3) in nights.on_list

    def test_a_source_that_breaks_off(self, nights: Nights) -> None:
        def rows() -> Any:
            yield people(1)
            raise RuntimeError("the source failed")

        with pytest.raises(RuntimeError, match="the source failed"):
            nights.run(rows(), opted_out=self.stops)
        assert nights.on_list == {number(1), number(2)}

    def test_columns_that_are_not_there(self, nights: Nights) -> None:
        with pytest.raises(AirflowFailException, match="phone_number is fed by"):
            nights.run([{"x": 1}], opted_out=self.stops)
        assert nights.on_list == {number(1), number(2)}

    def test_more_missing_than_may_be_removed(self, nights: Nights) -> None:
        with pytest.raises(AirflowFailException, match="max_removed"):
            nights.run(people(1), opted_out=self.stops, max_removed=0)
        assert nights.on_list == {number(1), number(2)}

    def test_a_plan_removes_nobody(self, nights: Nights) -> None:
        check(nights.run(people(1, 2), opted_out=self.stops, dry_run=True), removed=1, removed_opted_out=1)
        assert len(nights.on_list) == 3


@pytest.mark.parametrize(
    ("limit", "of", "allowed"),
    [(None, 40, 10), (None, 200, 20), (12, 40, 12), ("12", 40, 12), ("5%", 45, 2), ("0.5%", 400, 2), (0, 40, 0)],
)
def test_a_limit_of_their_own(nights: Nights, limit: Any, of: int, allowed: int) -> None:
    nights.run(people(*range(of)))
    stops = [{"n": number(n)} for n in range(allowed + 1)]
    before = nights.simulator.requests_total
    with pytest.raises(AirflowFailException, match=rf"{allowed + 1} of {of} contacts.*max_opted_out={allowed + 1}"):
        nights.run(people(*range(of + 5)), opted_out=stops, max_opted_out=limit, max_removed="100%")
    assert nights.simulator.requests_total == before, "something was sent"
    if allowed:
        check(nights.run(people(*range(of)), opted_out=stops[1:], max_opted_out=limit, max_removed=0), removed=allowed)


def test_what_the_rejects_file_holds_may_be_sent(nights: Nights, tmp_path: Path) -> None:
    """A replay of it sends nobody whom the run would not have sent."""
    rejects = tmp_path / "rejects.csv"
    rows = [
        *people(1, 2, 2, 3),
        *people(1, name="a\x00b"),
        {"phone_number": "12", "first_name": "too short"},
        {"phone_number": number(1), "first_name": ["not text"]},
    ]
    stops = [{"n": number(1)}, {"n": "secret"}]
    summary = nights.run(rows, opted_out=stops, max_rejected="100%", rejects_path=str(rejects))
    check(summary, read=7, opted_out=3, duplicates=1, added=2, invalid=1)
    assert [row["phone_number"] for row in read_csv(rejects)] == [f"'{number(2)}", "12"]
    replay = Nights(nights.simulator, tmp_path / "replay")
    replay.run([], data_path=str(rejects), max_rejected="100%")
    assert number(1) not in nights.on_list


def test_the_same_connection_is_the_same_database(nights: Nights, tmp_path: Path, set_connection: Any) -> None:
    import sqlite3

    for name, stop in (("one", number(1)), ("two", number(2))):
        with sqlite3.connect(tmp_path / name) as database:
            database.execute("CREATE TABLE customers (phone_number)")
            database.executemany("INSERT INTO customers VALUES (?)", [[number(1)], [number(2)], [number(3)]])
            database.execute("CREATE TABLE stops (n)")
            database.execute("INSERT INTO stops VALUES (?)", [stop])
        database.close()
    set_connection("warehouse", conn_type="sqlite", host=str(tmp_path / "one"))
    operator = SyncListOperator(
        task_id="sync",
        sql="SELECT phone_number FROM customers",
        sql_conn_id="warehouse",
        sql_hook_class="tests.operators.test_opt_outs.SecondDatabaseHook",
        sql_hook_params={"path": str(tmp_path / "two")},
        opted_out_sql="SELECT n FROM stops",
        opted_out_conn_id="warehouse",
        list_name=LIST,
        snapshot_path=str(nights.snapshot_path),
    )
    from tests.airflow_runs import TaskInstance

    context: Any = {"ti": TaskInstance(), "run_id": "x"}
    check(operator.execute(context), opted_out=1, added=2)
    assert nights.on_list == {number(1), number(3)}


@pytest.mark.parametrize("failing", ["sql", "opted_out_sql"])
@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("SELECT phone_number FROM gone", RowsNotReadError, ": the database failed while the query was started: "),
        ("DELETE FROM customers", AirflowFailException, " begins with DELETE, which is not a query: "),
    ],
)
def test_an_error_says_which_of_the_two_queries_failed(
    nights: Nights, tmp_path: Path, set_connection: Any, failing: str, query: str, error: type[Exception], message: str
) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "warehouse") as database:
        database.execute("CREATE TABLE customers (phone_number)")
        database.execute("INSERT INTO customers VALUES (?)", [number(1)])
    database.close()
    set_connection("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse"))
    right = "SELECT phone_number FROM customers"
    queries: dict[str, Any] = {"sql": right, "opted_out_sql": right, failing: query}
    operator = SyncListOperator(
        task_id="sync",
        sql_conn_id="warehouse",
        list_name=LIST,
        snapshot_path=str(nights.snapshot_path),
        **queries,
    )
    from tests.airflow_runs import TaskInstance

    context: Any = {"ti": TaskInstance(), "run_id": "x"}
    with pytest.raises(error, match=f"^{failing}{message}"):
        operator.execute(context)


def _second_database_hook() -> Any:
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    class Hook(SqliteHook):
        """Reads the database that a parameter names."""

        def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
            made: Any = super()
            made.__init__(*args, **kwargs)
            self._path = path

        def get_conn(self) -> Any:
            import sqlite3

            return sqlite3.connect(self._path)

    return Hook


SecondDatabaseHook = _second_database_hook()
MOBILES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_one_text_is_two_numbers(nights: Nights, seed: int) -> None:
    """The finding that began it: a text that is a landline here and a mobile there."""
    rng = random.Random(seed)
    regions = rng.sample(REGIONS, 2)
    rows = [
        {"phone_number": digits_of(national(one))}
        for region in regions
        for one in numbers_of(rng, region, TOGETHER)
        if phonenumbers.number_type(one) in MOBILES
    ]
    summary = nights.run(
        rows,
        opted_out=[{"n": row["phone_number"]} for row in rows],
        default_region=regions,
        phone_check="mobile",
        max_rejected="100%",
        on_empty="succeed",
    )
    check(summary, added=0)
    assert not nights.on_list
