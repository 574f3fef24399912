"""The ways in which a server may quote what it was sent; each has been seen somewhere, or could be."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus


@dataclass(frozen=True)
class Person:
    """Somebody who was sent, and who sent them."""

    number: str = "+33612345678"
    first_name: str = "Zoé"
    last_name: str = "Dupont-Lefèvre"
    param: str = "12 rue des Églantines"
    login: str = "jeanne.martin@example.com"
    key: str = "k3y-5ECRET-abcdef0123456789"

    @property
    def row(self) -> dict[str, str]:
        """Their row, which is also what is sent of them."""
        return {
            "phone_number": self.number,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "param1": self.param,
        }

    @property
    def digits(self) -> str:
        """The number without its plus."""
        return self.number[1:]

    @property
    def national(self) -> str:
        """The number as it is dialled at home."""
        return f"0{self.number[3:]}"


#: Who is quoted in the tests, by the account that they send with.
PERSON = Person()


def _joined(text: str, joint: str, size: int = 2) -> str:
    return joint.join(text[start : start + size] for start in range(0, len(text), size))


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


QUOTES: dict[str, Callable[[Person], str]] = {
    # Names.
    "as it is": lambda p: p.first_name,
    "the last name": lambda p: p.last_name,
    "both names": lambda p: f"{p.first_name} {p.last_name}",
    "in capitals": lambda p: p.first_name.upper(),
    "in small letters": lambda p: p.last_name.lower(),
    "decomposed": lambda p: unicodedata.normalize("NFD", p.first_name),
    "decomposed and compatible": lambda p: unicodedata.normalize("NFKD", p.last_name),
    "without accents": lambda p: _plain(p.first_name),
    "without accents, in capitals": lambda p: _plain(p.last_name).upper(),
    "with other accents": lambda p: p.first_name.replace("é", "ë"),
    "full width": lambda p: "".join(chr(ord(c) + 0xFEE0) if c.isascii() else c for c in p.first_name),
    "URL-escaped": lambda p: quote(p.first_name),
    "URL-escaped, as a form": lambda p: quote_plus(p.param),
    "URL-escaped twice": lambda p: quote(quote(p.first_name)),
    "JSON-escaped": lambda p: json.dumps(p.first_name),
    "HTML-escaped": lambda p: html.escape(p.last_name).replace("è", "&egrave;"),
    "HTML-escaped by number": lambda p: "".join(f"&#{ord(c)};" for c in p.first_name),
    "as bytes of Python": lambda p: repr(p.first_name.encode()),
    "in the wrong encoding": lambda p: p.first_name.encode().decode("latin-1"),
    "with what could not be read": lambda p: p.first_name.encode().decode("ascii", "replace"),
    "one word of several": lambda p: p.param.split()[-1],
    "the other part of a name": lambda p: p.last_name.split("-")[1],
    "glued": lambda p: f"name_{p.first_name}_x",
    "glued by a hyphen": lambda p: f"contact-{p.first_name}",
    "glued to a word": lambda p: f"invalid{p.first_name}",
    "in brackets": lambda p: f"[{p.first_name}]<{p.last_name}>",
    "as a field": lambda p: f"first_name={p.first_name}&last_name={p.last_name}",
    "as JSON": lambda p: json.dumps({"first_name": p.first_name, "phone_number": p.number}),
    "as a key of JSON": lambda p: f'{{"{p.last_name}": "invalid"}}',
    "cut": lambda p: p.last_name[:6],
    "its end": lambda p: p.last_name[-5:],
    "reversed": lambda p: p.last_name[::-1],
    "letter by letter": lambda p: " ".join(p.last_name),
    "with dots": lambda p: ".".join(p.last_name),
    "with soft hyphens": lambda p: "\u00ad".join(p.first_name),
    "with blanks of no width": lambda p: "\u200b".join(p.last_name),
    "in base64": lambda p: base64.b64encode(p.first_name.encode()).decode(),
    "initials": lambda p: f"{p.first_name[0]}. {p.last_name[0]}.",
    "an address": lambda p: p.param,
    # Numbers.
    "the number": lambda p: p.number,
    "its digits": lambda p: p.digits,
    "in the national form": lambda p: p.national,
    "in the national form, grouped": lambda p: _joined(p.national, " "),
    "with slashes": lambda p: _joined(p.national, "/"),
    "with underscores": lambda p: _joined(p.national, "_"),
    "with colons": lambda p: _joined(p.national, ":"),
    "with commas": lambda p: _joined(p.national, ","),
    "with middle dots": lambda p: _joined(p.national, "\u00b7"),
    "with blanks of no width between digits": lambda p: "\u200b".join(p.digits),
    "digits of another script": lambda p: "".join(chr(0x0660 + int(digit)) for digit in p.digits),
    "digits in circles": lambda p: "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(digit)] for digit in p.digits),
    "hexadecimal": lambda p: hex(int(p.digits)),
    "hexadecimal bytes": lambda p: p.digits.encode().hex(),
    "as a float": lambda p: f"{float(p.digits):.4e}",
    "the last five digits": lambda p: p.number[-5:],
    "the last four digits": lambda p: p.number[-4:],
    "half of it masked": lambda p: f"{p.number[:6]}****{p.number[-2:]}",
    "by its word": lambda p: "".join(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")[int(digit)] + " "
        for digit in p.digits
    ),
    # Credentials.
    "the login": lambda p: p.login,
    "the login's local part": lambda p: p.login.partition("@")[0],
    "one name of the login": lambda p: p.login.partition(".")[0],
    "the key": lambda p: p.key,
    "the key with a prefix": lambda p: f"Bearer:{p.key}",
    "the key, cut": lambda p: f"{p.key[:8]}...",
    "a part of the key": lambda p: p.key.split("-")[1],
}
