"""A limit that a person writes: ``12``, or ``"5%"`` of something."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from airflow_provider_octopush.exceptions import FinalError

_NUMBER = re.compile(r"[0-9]{1,15}")
_SHARE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%")
_DECIMAL = re.compile(r"(-?[0-9]*[.,][0-9]+)(\s*%)?")


class LimitError(FinalError, ValueError):
    """A limit is neither a number nor a share: write it as the message shows, a retry changes nothing."""


@dataclass(frozen=True)
class Limit:
    """
    A number, or a share of a number that is known only later.

    :param number: the number, 0 or more; None for a share.
    :param share: the share, where 1 is everything; None for a number.
    """

    number: int | None = None
    share: Fraction | None = None

    @classmethod
    def of(cls, name: str, value: Any, *, may_exceed_all: bool = False) -> Limit | None:
        """
        Read a limit that a person or a template wrote.

        :param name: name of the parameter.
        :param value: an int, or text such as ``"12"``, ``"5%"`` and ``"0.5%"``; a ``Limit`` stays as it is.
        :param may_exceed_all: whether a share may be more than ``"100%"``.
        :return: None where nothing is written: None, blank text, or ``"None"``.
        :raises LimitError: when it is anything else.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(number=value)
        text = value.strip() if isinstance(value, str) else ""
        if isinstance(value, str) and text in ("", "None"):
            return None
        if _NUMBER.fullmatch(text):
            return cls(number=int(text))
        share = _SHARE.fullmatch(text)
        if share is not None and (may_exceed_all or Fraction(share[1]) <= 100):
            return cls(share=Fraction(share[1]) / 100)
        raise LimitError(f"{name} is {_shown(value)}: {_what_to_write(value)}")

    def most(self, of: int) -> int:
        """
        Return how many there may be at most; a share is rounded down.

        :param of: the number that a share is taken of.
        """
        return self.number if self.number is not None else int(Fraction(self.share or 0) * of)

    def least(self, of: int) -> int:
        """
        Return how many there must be at least; a share is rounded up.

        :param of: the number that a share is taken of.
        """
        return self.number if self.number is not None else -int(-Fraction(self.share or 0) * of // 1)

    def __str__(self) -> str:
        if self.number is not None:
            return str(self.number)
        percent = Fraction(self.share or 0) * 100
        return f"{percent.numerator if percent.denominator == 1 else float(percent)}%"


def _shown(value: Any) -> str:
    # A longer value may be something other than a limit.
    is_short = isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 20)
    return repr(value) if is_short else f"a {type(value).__name__}"


def _what_to_write(value: Any) -> str:
    usual = 'write a number, such as 12, or a share from "0%" to "100%", such as "5%"'
    decimal = _DECIMAL.fullmatch(str(value).strip()) if isinstance(value, float | str) else None
    if decimal is None:
        return usual
    number, is_percent = Fraction(decimal[1].replace(",", ".")), decimal[2] is not None
    share = number / 100 if is_percent else number
    return f'write "{float(share * 100):g}%" for this share of all' if 0 <= share <= 1 else usual
