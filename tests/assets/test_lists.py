from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import urlsplit

import airflow
import pytest
from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset
from airflow.providers.common.compat.sdk import Asset
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_octopush.assets.lists import convert_asset_to_openlineage, create_asset, list_uri, sanitize_uri

AIRFLOW_3 = not airflow.__version__.startswith("2.")


@pytest.mark.parametrize(
    ("list_name", "uri"),
    [
        ("Customers", "octopush://octopush_default/Customers"),
        ("customers", "octopush://octopush_default/customers"),
        ("Clients fidèles", "octopush://octopush_default/Clients%20fid%C3%A8les"),
        (unicodedata.normalize("NFD", "fidèles"), "octopush://octopush_default/fid%C3%A8les"),
        ("50% off? #1/2", "octopush://octopush_default/50%25%20off%3F%20%231%2F2"),
        ("1.", "octopush://octopush_default/1."),
        ("🎁" * 29 + "1", "octopush://octopush_default/" + "%F0%9F%8E%81" * 29 + "1"),
    ],
)
def test_a_list_is_an_asset(list_name: str, uri: str) -> None:
    asset: Any = create_asset(list_name=list_name)
    assert asset.uri == uri
    assert Asset(uri=uri).uri == uri


def test_the_connection_stands_for_the_account() -> None:
    assert list_uri("Customers", "octopush_uk") == "octopush://octopush_uk/Customers"
    asset: Any = create_asset(list_name="Customers", octopush_conn_id="octopush_uk", extra={"team": "crm"})
    assert (asset.uri, asset.extra) == ("octopush://octopush_uk/Customers", {"team": "crm"})


@pytest.mark.parametrize(
    "written",
    [
        "octopush://octopush_default/Gold%20customers",
        "octopush://octopush_default/Gold%20customers/",
        "OCTOPUSH://octopush_default/Gold%20customers",
        "octopush://octopush_default/%47old%20customers",
        "octopush://octopush_default/Gold customers",
        "octopush:///Gold%20customers",
        "octopush://octopush_default/Gold%20customers#now",
    ],
)
def test_however_it_is_written_it_is_the_same_asset(written: str) -> None:
    assert Asset(uri=written).uri == "octopush://octopush_default/Gold%20customers"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("octopush://octopush_default", "names no list: write it like"),
        ("octopush://octopush_default/", "names no list: write it like"),
        ("octopush://octopush_default/a/b", "one list: .* and / as %2F"),
        ("octopush://octopush_default/%20", "blank"),
        ("octopush://octopush_default/" + "x" * 31, "31 characters, Octopush allows 30"),
        ("octopush://octopush_default/a?b=1", "must not have a query"),
        ("octopush://octopush_default/Offer #1", "not have a fragment: write # as %23"),
        ("octopush://octopush_default/%FF", "not percent-encoded UTF-8"),
        ("octopush://me%40example.com@api.octopush.com/a", "must not have a login"),
    ],
)
def test_what_cannot_be_a_list_is_refused(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sanitize_uri(urlsplit(uri))


def test_airflow_asks_for_the_form_of_the_uri() -> None:
    if AIRFLOW_3:
        with pytest.raises(ValueError, match="names no list"):
            Asset(uri="octopush://octopush_default")
    else:
        with pytest.warns(UserWarning, match="names no list"):
            Asset(uri="octopush://octopush_default")


@given(st.text(max_size=30), st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True))
def test_a_uri_stays_what_it_is_and_gives_the_name_back(list_name: str, connection: str) -> None:
    list_name = unicodedata.normalize("NFC", f"{list_name}1".encode("utf-8", "ignore").decode())
    assume(len(list_name) <= 30)
    uri = list_uri(list_name, connection)
    assert uri.isascii()
    assert sanitize_uri(urlsplit(uri)) == urlsplit(uri)
    asset = Asset(uri=uri)
    assert convert_asset_to_openlineage(asset, None) == OpenLineageDataset(
        namespace=f"octopush://{connection}", name=list_name
    )
