"""Unicode's digits, signs and blanks → those of ASCII."""

from __future__ import annotations

import re
import unicodedata


def plain(text: str) -> str:
    """
    Write Unicode's digits, signs and blanks as those of ASCII; drop invisible characters.

    Between two digits, an invisible character becomes a blank: one number may end there and another begin.

    :param text: any text.
    :return: the same text in ASCII, where ASCII has the character; everything else stays as it is. Ends of lines are
        ``\\n``.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_ASCII)
    return _BETWEEN_DIGITS.sub(" ", text).replace(_UNSEEN, "") if _UNSEEN in text else text


_UNSEEN = "\0"
_BETWEEN_DIGITS = re.compile(f"(?<=[0-9]){_UNSEEN}+(?=[0-9])")


#: Default_Ignorable_Code_Point, first and last of each range: characters that stay invisible even if a font lacks them.
#: From DerivedCoreProperties.txt of the Unicode Character Database, version 14.0.
_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip

_SIGNS = {
    **dict.fromkeys("\0\x7f", _UNSEEN),
    **dict.fromkeys("\t\v\f", " "),
    **dict.fromkeys("\r\x85", "\n"),
    "\u2800": " ",  # Braille without a dot
    **dict.fromkeys("\u2212\u02d7\u2043\u30fc", "-"),
    **dict.fromkeys("\u2053\u223c\uff5e", "~"),
    "\uff3b": "[",
    "\uff3d": "]",
    **dict.fromkeys("\uff0b\ufe62", "+"),
    **dict.fromkeys("\uff08\u207d", "("),
    **dict.fromkeys("\uff09\u207e", ")"),
    **dict.fromkeys("\uff0f\u2044\u2215", "/"),
    **dict.fromkeys("\uff0e\u2024\u2027\u2022\u00b7\u30fb", "."),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\uff07", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\uff02", '"'),
    "\uff1d": "=",
    "\uff1f": "?",
    "\uff0c": ",",
    "\uff1b": ";",
    "\uff1a": ":",
    "\uff03": "#",
}

_CATEGORIES = {"Zl": "\n", "Zp": "\n", "Zs": " ", "Cf": _UNSEEN, "Pd": "-"}


class _Ascii(dict[int, str]):
    """What each character becomes; filled as characters appear."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        if digit is not None:
            written = str(digit)
        elif character in _SIGNS:
            written = _SIGNS[character]
        elif any(first <= code <= last for first, last in _IGNORABLE):
            written = _UNSEEN
        else:
            written = _CATEGORIES.get(unicodedata.category(character), character)
        self[code] = written
        return written


_ASCII = _Ascii()
