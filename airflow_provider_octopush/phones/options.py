"""What a caller may choose about how numbers are read."""

from __future__ import annotations

from typing import Literal

#: How sure a number must be; :class:`~airflow_provider_octopush.phones.reader.PhoneReader` says what each means.
PhoneCheck = Literal["format", "valid", "mobile"]

#: What a number is that has no plus: one of a region that is asked for, or one that begins with its country code.
NumberFormat = Literal["national", "international"]
