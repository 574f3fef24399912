"""
CSV injection: text that a spreadsheet would run as a formula is escaped in our files, and restored where they are read.

Source: OWASP, https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

# Also behind what some spreadsheets split a line at, whatever quotes are around: the first cell that they make of
# "x;=1" in a file with commas is x, the second one a formula.
_BEGINS_A_CELL = r"(?:\A|(?<=[;,|\t\r\n]))"
_IS_A_FORMULA = r"(?=[\"']*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"
_FORMULA = re.compile(_BEGINS_A_CELL + _IS_A_FORMULA)
_ESCAPED = re.compile(f"{_BEGINS_A_CELL}'{_IS_A_FORMULA}")


def escape_formulas(text: str) -> str:
    """
    Put an apostrophe before what a spreadsheet would run as a formula.

    :return: the text itself where it is harmless; :func:`unescape_formulas` gives back the text in any case.
    """
    return _FORMULA.sub("'", text)


def unescape_formulas(text: str) -> str:
    """Give back the text that :func:`escape_formulas` was called with."""
    return _ESCAPED.sub("", text)
