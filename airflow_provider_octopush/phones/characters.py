"""Unicode's digits, signs and blanks → those of ASCII."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """Write the digits, signs and blanks of Unicode as those of ASCII; drop invisible marks."""
    if text.isascii():
        return text if text.isprintable() else text.translate(_PLAIN_CONTROLS)
    plain = []
    for character in text:
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        if digit is not None:
            plain.append(str(digit))
        elif category in ("Zl", "Zp"):
            plain.append("\n")
        elif category == "Zs":
            plain.append(" ")
        elif category == "Cc":
            plain.append(character.translate(_PLAIN_CONTROLS))
        elif category == "Cf":
            continue
        elif category == "Pd":
            plain.append("-")
        else:
            plain.append(_ASCII_OF.get(character, character))
    return "".join(plain)


_PLAIN_CONTROLS = {**dict.fromkeys(b"\t\v\f", " "), **dict.fromkeys(b"\r\x85", "\n")}

_ASCII_OF = {
    **dict.fromkeys("\u2212\u02d7\u2043\u30fc", "-"),
    **dict.fromkeys("\u2053\u223c\uff5e", "~"),
    "\uff3b": "[",
    "\uff3d": "]",
    **dict.fromkeys("\uff0b\ufe62", "+"),
    **dict.fromkeys("\uff08\u207d", "("),
    **dict.fromkeys("\uff09\u207e", ")"),
    **dict.fromkeys("\uff0f\u2044\u2215", "/"),
    **dict.fromkeys("\uff0e\u2024\u2027\u2022\u00b7\u30fb", "."),
    **dict.fromkeys("\u2019\uff07", "'"),
    "\uff0c": ",",
    "\uff1b": ";",
    "\uff1a": ":",
    "\uff03": "#",
}
