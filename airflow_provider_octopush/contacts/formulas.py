"""
Text that a spreadsheet would run as a formula: made harmless in the rejects file, and restored where one is read in.

Source: OWASP, https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

#: The columns of a rejects file beside the contact's fields; rows that have all of them come from such a file.
ABOUT_THE_ROW = ("row", "stage", "reason", "code", "message")

# Also behind what some spreadsheets split a line at, whatever quotes are around: the first cell that they make of
# "x;=1" in a file with commas is x, the second one a formula.
_BEGINS_A_CELL = r"(?:\A|(?<=[;,|\t\r\n]))"
_IS_A_FORMULA = r"(?=[\"']*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])"
_FORMULA = re.compile(_BEGINS_A_CELL + _IS_A_FORMULA)
_DEFUSED = re.compile(f"{_BEGINS_A_CELL}'{_IS_A_FORMULA}")


def defuse(text: str) -> str:
    """
    Make text that a spreadsheet would run as a formula plain text to it: with an apostrophe in front.

    :return: the text itself where it is harmless; :func:`undo_defuse` gives back the text in any case.
    """
    return _FORMULA.sub("'", text)


def undo_defuse(text: str) -> str:
    """Give back the text that :func:`defuse` was called with."""
    return _DEFUSED.sub("", text)
