"""What can go wrong while rows are read, one class for each thing a caller would do next."""

from __future__ import annotations


class UnusableSourceError(Exception):
    """There are no rows to read in what was asked for: correct the Dag, a retry changes nothing."""


class NotAQueryError(UnusableSourceError, ValueError):
    """The statement is no query, or changes data: write one SELECT."""


class ParametersError(UnusableSourceError, ValueError):
    """The query's parameters are not written as the driver wants them: its message says how."""


class HookError(UnusableSourceError, TypeError):
    """The hook gives no connection that follows PEP 249: name another one."""


class NotRowsError(UnusableSourceError, TypeError):
    """What came from upstream is no rows: return rows, or name their columns."""


class FilesError(UnusableSourceError, ValueError):
    """The files are not what the reader was told that they are: correct the path, the options, or the files."""


class UnreadableValueError(UnusableSourceError):
    """The driver cannot make a Python object of a value: cast it to text in the query."""


class RowsNotReadError(Exception):
    """
    The database failed; a retry may help.

    A database's words are quoted only where they are about the statement, the connection or a cancellation: about a
    value, they may quote it. Once rows are read, words about the statement are not quoted either, for they may be about
    a value that is taken for a part of one.
    """


class ConnectionLostError(RowsNotReadError):
    """The connection ended, or the server is going down or out of resources: try again."""


class QueryCancelledError(RowsNotReadError):
    """Somebody, or a limit of the server, ended the query: make it faster, or the limit wider."""


class QueryRefusedError(RowsNotReadError):
    """The database does not run the statement: correct it, or what the connection may do."""
