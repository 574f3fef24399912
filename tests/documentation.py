"""The code blocks of README.md, docs/ and docstrings, and what their info strings say of how they are run."""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "airflow_provider_octopush"
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]

#: Language → the words that may follow it in an info string; tests/test_docs.py says what they mean.
WORDS = {
    "python": {"continues", "task", "saved", "loads", "test", "fails", "airflow>=3.3"},
    "bash": {"continues", "server", "fails"},
    "json": {"continues", "connection", "behaviour", "fault"},
    "sql": {"continues"},
    "text": {"continues", "picture"},
}


@dataclass(frozen=True)
class Block:
    """
    A fenced code block.

    :param page: file that it stands in, below the project.
    :param line: of its first line of code, from 1.
    :param info: what follows the fence: a language, then words.
    :param code: what stands in it.
    """

    page: str
    line: int
    info: str
    code: str

    @property
    def language(self) -> str:
        """The first word of the info string."""
        return self.info.partition(" ")[0]

    @property
    def words(self) -> set[str]:
        """The other words of the info string."""
        return set(self.info.split()[1:])

    @property
    def place(self) -> str:
        """Where to look for it."""
        return f"{self.page}:{self.line}"

    @property
    def problem(self) -> str | None:
        """What keeps it from being run; None when nothing does."""
        if self.language not in WORDS:
            return f"no test runs the language {self.language!r}: write one of {', '.join(WORDS)}"
        unknown = self.words - WORDS[self.language]
        if unknown:
            return f"{', '.join(unknown)} means nothing for {self.language}, {WORDS[self.language]} does"
        if self.language == "text" and not self.words:
            return "text shows what the block before has printed: write 'text continues', or 'text picture' for one"
        return None


def blocks_of(path: Path) -> Iterator[Block]:
    """Find the code blocks of a page, as MyST does."""
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        # What Sphinx makes of docstrings is asked for in a fence as well.
        if token.info.strip() == "{eval-rst}" and ".. code" not in token.content:
            continue
        if token.type in ("fence", "code_block") and token.map is not None:
            yield Block(path.relative_to(PROJECT).as_posix(), token.map[0] + 2, token.info.strip(), token.content)


def docstring_blocks(path: Path) -> Iterator[Block]:
    """Find the code blocks in the docstrings of a module; they show in the API reference."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = ast.get_docstring(node) or ""
        for match in re.finditer(r"^\.\. code-block:: *(.*)\n\n((?: +.*\n|\n)+)", docstring, re.MULTILINE):
            line = node.body[0].lineno + docstring[: match.start(2)].count("\n") + 1
            yield Block(path.relative_to(PROJECT).as_posix(), line, match[1], textwrap.dedent(match[2]))


def examples() -> list[list[Block]]:
    """Find the blocks of all pages and docstrings; those that continue the one before come together with it."""
    found: list[list[Block]] = []
    pages = itertools.chain.from_iterable(map(blocks_of, PAGES))
    for block in (*pages, *itertools.chain.from_iterable(map(docstring_blocks, sorted(PACKAGE.rglob("*.py"))))):
        if "continues" in block.words and found and found[-1][-1].page == block.page:
            found[-1].append(block)
        else:
            found.append([block])
    return found
