"""What can go wrong while rows are read: one class for each thing a caller would do next."""

from __future__ import annotations

from airflow_provider_octopush.exceptions import FinalError


class UnusableSourceError(FinalError):
    """The source that was asked for has no rows that can be read: correct the Dag, a retry changes nothing."""


class NotAQueryError(UnusableSourceError, ValueError):
    """The statement is not exactly one query, or gives no rows, or those of several queries: write one SELECT."""


class ParametersError(UnusableSourceError, ValueError):
    """The driver cannot put the parameters into the query: write them in its style."""


class HookError(UnusableSourceError, TypeError):
    """The hook does not give a connection that follows PEP 249: name another hook."""


class NotRowsError(UnusableSourceError, TypeError):
    """What came from upstream is not rows: return rows, or name their columns."""


class InstancesMissingError(FinalError):
    """Instances of an upstream task gave no rows: clear them, or return [] for no rows. A retry changes nothing."""


class InstancesUnknownError(Exception):
    """Airflow did not tell whether all instances of an upstream task gave rows: try again."""


class FilesError(UnusableSourceError, ValueError):
    """The files are not what the reader was told to expect: correct the path, the options, or the files."""


class UnreadableValueError(UnusableSourceError):
    """A value cannot be turned into a Python object: cast it to text in the query, or write it as text."""


class RowsNotReadError(Exception):
    """
    The database failed, or a file is not whole; a retry may help.

    The message quotes the database only if no row was read yet and its words are about the statement or the login:
    words about a value may quote it.
    """
