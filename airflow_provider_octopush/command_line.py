"""What the command lines share: they say what is wrong in one sentence, which holds no number of a person."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import NoReturn

from airflow_provider_octopush.exceptions import OctopushError


class CommandLineError(OctopushError):
    """Something is wrong that the message says in a sentence, with what to do."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one sentence, and without any number that stands in it."""

    def error(self, message: str) -> NoReturn:
        """
        Say what is wrong.

        :raises CommandLineError: always.
        """
        hidden = re.sub(r"[+]?\d[\d .()/-]*", "***", message)
        raise CommandLineError(f"{hidden}: {self.prog} --help says what there is")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Airflow and its hooks print out of what was asked for, and what they merely tell out of errors."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logging.disable(before)


def complain(sentence: str) -> int:
    """
    Say what is wrong, where errors are said.

    :return: the exit code for it.
    """
    sys.stderr.write(f"{sentence}\n")
    return 2
