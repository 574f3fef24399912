"""
Lists as assets of Airflow: ``octopush://octopush_default/Customers``.

Octopush has no ids for lists, only names, which are unique within an account. An account is identified by its login, an
e-mail address, which has no place in a URI. So the URI names the account by its Airflow connection, and the list by the
path.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_octopush.api import check_names

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

SCHEME = "octopush"
DEFAULT_CONNECTION = "octopush_default"
_EXAMPLE = "write it like octopush://octopush_default/Customers"


def create_asset(
    *, list_name: str, octopush_conn_id: str = DEFAULT_CONNECTION, extra: dict[str, Any] | None = None
) -> Asset:
    """
    Return a list as an asset, for ``outlets``, ``inlets`` and ``schedule``.

    :param list_name: the list, at most 30 characters.
    :param octopush_conn_id: connection that leads to the list's account.
    :param extra: the asset's ``extra``.
    :raises ValueError: when Octopush cannot have a list by that name.
    """
    return Asset(uri=list_uri(list_name, octopush_conn_id), extra=extra)


def list_uri(list_name: str, octopush_conn_id: str = DEFAULT_CONNECTION) -> str:
    """
    Return the URI of a list, percent-encoded: ``octopush://octopush_default/Clients%20fid%C3%A8les``.

    :raises ValueError: when Octopush cannot have a list by that name.
    """
    return f"{SCHEME}://{octopush_conn_id}/{_segment(list_name)}"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Bring the URI of a list to the one form that Airflow compares. Airflow calls this for each asset.

    The list's name is put in Unicode's form NFC and percent-encoded. Its case stays, because it is not documented
    whether Octopush tells upper from lower case. If the URI names no connection, it means ``octopush_default``.

    :raises ValueError: when it names no list, or an impossible one.
    """
    if "@" in uri.netloc:
        raise ValueError("the URI of a list must not have a login: name the Airflow connection instead")
    if uri.query:
        raise ValueError("the URI of a list must not have a query: write ? as %3F")
    if uri.fragment:
        raise ValueError("the URI of a list must not have a fragment: write # as %23")
    encoded = uri.path.removeprefix("/")
    if not encoded:
        raise ValueError(f"the URI names no list: {_EXAMPLE}")
    if "/" in encoded:
        raise ValueError(f"the path of the URI must be the name of one list: {_EXAMPLE}, and / as %2F")
    return uri._replace(netloc=uri.netloc or DEFAULT_CONNECTION, path=f"/{_segment(_decoded(encoded))}")


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> OpenLineageDataset:  # noqa: ARG001 - Airflow's
    """
    Return a list as OpenLineage names it. Airflow's OpenLineage provider calls this.

    :return: a data set with the name of the list, in the namespace of its account.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    uri = urlsplit(asset.uri)
    return OpenLineageDataset(namespace=f"{SCHEME}://{uri.netloc}", name=_decoded(uri.path.removeprefix("/")))


def _segment(list_name: str) -> str:
    name = unicodedata.normalize("NFC", list_name)
    check_names(list_name=name)
    return quote(name, safe="")


def _decoded(encoded: str) -> str:
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"the path of the URI is not percent-encoded UTF-8: {_EXAMPLE}") from None
