"""What the command lines share: they say what is wrong in one sentence, without a value that was typed."""

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
    """Something is wrong; the message says what, and what to do."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one sentence, without any value in it."""

    def error(self, message: str) -> NoReturn:
        """
        Say what is wrong.

        :raises CommandLineError: always.
        """
        # argparse quotes what was typed after these words.
        quoting = r"(unrecognized arguments|ambiguous option|invalid choice|invalid \w+ value|explicit argument).*"
        said = re.sub(quoting, r"\1", message, flags=re.DOTALL)
        raise CommandLineError(f"{said}: see {self.prog} --help")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Airflow and its hooks print out of the output, and their mere information out of the errors."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logging.disable(before)


def complain(sentence: str) -> int:
    """
    Say what is wrong, on standard error.

    :return: the exit code for it.
    """
    sys.stderr.write(f"{sentence}\n")
    return 2
