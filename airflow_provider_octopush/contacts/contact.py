"""A row that can be sent."""

from __future__ import annotations

import msgspec

from airflow_provider_octopush.payloads import ContactPayload


class Contact(msgspec.Struct, frozen=True, gc=False):
    """
    A row that can be sent.

    :param row: the row's number in the whole input, from 1.
    :param number: the digits of the canonical phone number; two contacts with the same one are the same.
    :param payload: what is sent.
    :param values: the row's fields as they were read, in the order of :attr:`ContactMapper.fields`.
    :param record: in a sync, the snapshot's sealed record of the number, with the digest of what is sent.
    """

    row: int
    number: int
    payload: ContactPayload
    values: tuple[object, ...]
    record: bytes = b""
