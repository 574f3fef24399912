"""
CSV injection: text that a spreadsheet would run as a formula is escaped in our files, and restored when they are read.

Source: OWASP, https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

# Also after characters at which some spreadsheets split a line, even within quotes: from "x;=1" in a file with commas,
# they make the cell x, and a formula.
_BEGINS_A_CELL = r"(?:\A|(?<=[;,|\t\r\n]))"
_IS_A_FORMULA = r"(?=[\"']*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"
_FORMULA = re.compile(_BEGINS_A_CELL + _IS_A_FORMULA)
_ESCAPED = re.compile(f"{_BEGINS_A_CELL}'{_IS_A_FORMULA}")


def escape_formulas(text: str) -> str:
    """
    Put an apostrophe before text that a spreadsheet would run as a formula.

    :return: the text; unchanged if it is harmless. :func:`unescape_formulas` restores it in any case.
    """
    return _FORMULA.sub("'", text)


def unescape_formulas(text: str) -> str:
    """Restore the text that :func:`escape_formulas` was called with."""
    return _ESCAPED.sub("", text)
