"""
Text that a spreadsheet would run as a formula: made harmless in the rejects file, and restored where one is read in.

Source: OWASP, https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

#: The columns of a rejects file beside the contact's fields; rows that have all of them come from such a file.
ABOUT_THE_ROW = ("row", "stage", "reason", "code", "message")

_STARTS_A_FORMULA = r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(f"'*{_STARTS_A_FORMULA}")
_DEFUSED = re.compile(f"'+{_STARTS_A_FORMULA}")


def defuse(text: str) -> str:
    """
    Make text that a spreadsheet would run as a formula plain text to it: with an apostrophe in front.

    :return: the text itself where it is harmless; :func:`undo_defuse` gives back the text in any case.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def undo_defuse(text: str) -> str:
    """Give back the text that :func:`defuse` was called with."""
    return text[1:] if _DEFUSED.match(text) else text
