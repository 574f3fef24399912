"""
Checks of parameters: literal values when the Dag is parsed, templates when they are rendered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from airflow_provider_octopush.api import check_names
from airflow_provider_octopush.contacts.fields import check_fields
from airflow_provider_octopush.exceptions import FinalError
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.sources.csv_options import CSV_SUFFIXES, check_csv_option_names, read_csv_options

OnEmpty = Literal["succeed", "skip", "fail"]


class ParameterError(FinalError, ValueError):
    """A parameter has an impossible value: correct it, a retry changes nothing."""


def comes_later(value: Any) -> bool:
    """Whether a value is known only when the task runs: a template, or a reference to what another task returned."""
    if isinstance(value, str):
        return any(sign in value for sign in ("{{", "{%", "{#"))
    if isinstance(value, list | tuple):
        return any(map(comes_later, value))
    return hasattr(value, "resolve")


def check_one_source(*, data: Any, data_path: str | None, sql: str | None) -> None:
    """
    Check that rows come from one place, and that ``data`` may be rows.

    :raises ValueError: when they do not, or ``data`` is text.
    """
    if [data is None, data_path is None, sql is None].count(False) != 1:
        raise ValueError("rows come from exactly one place: write one of data=…, data_path=… and sql=…")
    if isinstance(data, str | bytes):
        raise ValueError(  # noqa: TRY004 - as all parameters do
            "data is text, not rows: write data=task.output, or what a @task function returned; for a file, give its "
            "path as data_path=…"
        )


def check_source_options(source: str, options: Mapping[str, Any]) -> None:
    """
    Check that no options are given for a source that is not used.

    :param source: the parameter that the options belong to.
    :param options: name → value, of those that would have no effect.
    :raises ValueError: when one of them is given.
    """
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} is for rows from {source}=…, which is not set: leave it out")


def check_data_columns(data_columns: Any) -> None:
    """
    Check names for the columns of ``data``, or of a CSV.

    :raises ValueError: when they are not a list of different names.
    """
    if data_columns is None:
        return
    if (
        isinstance(data_columns, str)
        or not isinstance(data_columns, Sequence)
        or not data_columns
        or not all(isinstance(name, str) for name in data_columns)
        or len(set(data_columns)) != len(data_columns)
    ):
        raise ValueError(
            f"data_columns is {data_columns!r}: write a list of different names, such as ['phone_number', 'first_name']"
        )


def check_data_options(data_path: Any, data_options: Any) -> None:
    """
    Check the options of CSV files before templates are rendered.

    :raises ValueError: when ``data_path`` has the suffix of a CSV, and an option does not exist or has an impossible
        value. If one of the values comes from a template, only the names are checked.
    """
    is_csv = isinstance(data_path, str) and data_path.lower().endswith(CSV_SUFFIXES)
    if is_csv and isinstance(data_options, Mapping):
        if any(map(comes_later, data_options.values())):
            check_csv_option_names(data_options)
        else:
            read_csv_options(data_options)


def check_number(name: str, number: Any, usual: int) -> None:
    """
    Check that a value is a whole number, 1 or more.

    :param usual: a number to suggest.
    :raises ValueError: when it is not.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{name} is {number!r}: write a whole number, 1 or more, such as {usual}")


def check_choice(name: str, value: Any, *choices: Any) -> None:
    """
    Check a choice that cannot be a template.

    :param choices: what there is to choose from.
    :raises ValueError: when it is none of these.
    """
    # To Python, 1 equals True.
    if not any(value == one and type(value) is type(one) for one in choices):
        *others, last = map(repr, choices)
        raise ValueError(f"{name} is {value!r}: write {', '.join(others)} or {last}")


def check_limit(name: str, limit: Any, *, may_exceed_all: bool = False) -> None:
    """
    Check a limit, unless it comes from a template.

    :raises LimitError: when it is neither a number nor a share, such as ``"5%"``.
    """
    if not comes_later(limit):
        Limit.of(name, limit, may_exceed_all=may_exceed_all)


def check_literal_names(*, list_name: Any = None, tag_name: Any = None) -> None:
    """
    Check names that do not come from a template.

    :raises ValueError: when one is blank, too long, or not text.
    """
    check_written_names(
        list_name=None if comes_later(list_name) else list_name, tag_name=None if comes_later(tag_name) else tag_name
    )


def check_written_names(*, list_name: Any = None, tag_name: Any = None, needs_list: bool = False) -> None:
    """
    Check names.

    :param needs_list: whether there must be a list: to Octopush, a removal without one reaches the whole account.
    :raises ParameterError: when one is blank, too long, or not text, or when the list is missing.
    """
    if needs_list and list_name is None:
        raise ParameterError("list_name is None: write the name of the list")
    try:
        check_names(list_name=list_name, tag_name=tag_name)
    except (TypeError, ValueError) as error:
        raise ParameterError(str(error)) from None


#: How a region is written. Whether it has phone numbers is known only to a library that a Dag file must not import.
_REGION = re.compile("[A-Z]{2}")


def check_default_region(default_region: Any) -> None:
    """
    Check the form of ``default_region``, unless it comes from a template.

    :raises ValueError: when it is not a code of two capital letters, or a list of them.
    """
    if default_region is None or comes_later(default_region):
        return
    regions = [default_region] if isinstance(default_region, str) else default_region
    for region in regions if isinstance(regions, Sequence) else [regions]:
        if not isinstance(region, str) or not _REGION.fullmatch(region):
            raise ValueError(
                f"default_region is {region!r}: write a code of two capital letters, such as 'FR', or a list of them"
            )


def check_columns(columns: Any) -> None:
    """
    Check ``columns`` before templates are rendered.

    :raises ValueError: when it is not a dict, a key is not a field of a contact, or a value is not a name.
    """
    if isinstance(columns, list | tuple) and not comes_later(columns):
        raise ValueError(f"columns is {columns!r}: write a dict, such as {{'phone_number': 'mobile'}}")
    if isinstance(columns, Mapping):
        check_fields(columns)
        for field, name in columns.items():
            if name is None or isinstance(name, int | float):
                raise ValueError(f"columns says that {name!r} feeds {field}: write the name of a column")


def check_rendered(name: str, template: Any, value: Any) -> None:
    """
    Check text that may come from a template: a name that renders to None or to a number would be sent as such.

    :param name: name of the parameter.
    :param template: as it is written in the Dag.
    :param value: as it is rendered.
    :raises ParameterError: when it is not text, or a template renders to nothing or to ``None``.
    """
    is_text = isinstance(value, str) and not (value.strip() in ("", "None") and str(template) != value)
    if not is_text and not (value is None and template is None):
        raise _rendered_wrongly(name, template, value, "must be text")


def check_rendered_columns(template: Any, value: Any) -> None:
    """
    Check ``columns``, which may come from a template: if it were lost, other columns would feed the fields.

    :param template: as it is written in the Dag.
    :param value: as it is rendered.
    :raises ParameterError: when it is not a mapping. None is allowed only where the Dag says None.
    """
    if not isinstance(value, Mapping) and not (value is None and template is None):
        raise _rendered_wrongly(
            "columns",
            template,
            value,
            "must be a dict, which takes render_template_as_native_obj=True on the Dag",
        )


def _rendered_wrongly(name: str, template: Any, value: Any, needed: str) -> ParameterError:
    # A longer value may be rows.
    is_short = value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 10)
    shown = f"{value!r} ({type(value).__name__})" if is_short else f"a {type(value).__name__}"
    written = str(template)
    written = written if len(written) <= 100 else f"{written[:100]}…"
    return ParameterError(
        f"{name}={written!r} renders to {shown}, but {needed}: correct the template, or the value that it takes"
    )


def check_path(name: str, path: Any) -> None:
    """
    Check a path before templates are rendered.

    :param name: name of the parameter.
    :raises ValueError: when it is blank, or neither a path nor a reference to one.
    """
    if _gives_no_text(path):
        raise ValueError(f"{name} is {path!r}: write a local path as text, or a URI such as 's3://conn_id@bucket/name'")


def check_sql(name: str, sql: Any) -> None:
    """
    Check a query before templates are rendered.

    :param name: name of the parameter.
    :raises ValueError: when it is blank, or neither a query nor a reference to one.
    """
    if _gives_no_text(sql):
        raise ValueError(f"{name} is {sql!r}: write one SELECT, or the path of a .sql file")


def _gives_no_text(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() in ("", "None")
    # A reference to an upstream task, or to a param of the Dag, gives its value when the task runs.
    return isinstance(value, PurePath) or not hasattr(value, "resolve")


def check_absolute(name: str, path: Any) -> None:
    """
    Check that a path means the same file on each worker, unless it comes from a template.

    :raises ParameterError: when it is relative.
    """
    if not isinstance(path, str) or comes_later(path):
        return
    parts = urlsplit(path)
    local = unquote(parts.path) if parts.scheme == "file" else None if "://" in path else path
    if local is not None and not Path(local).expanduser().is_absolute():
        raise ParameterError(
            f"{name} is {path!r}, which means a different file on each worker: write an absolute path, such as "
            f"'/srv/octopush/{Path(local).name}', or a URI, such as 's3://conn_id@bucket/{Path(local).name}'"
        )


def check_different(paths: Mapping[str, str | None]) -> None:
    """
    Check that no two files are written at the same place: the second would replace the first.

    :param paths: parameter → its path, rendered.
    :raises ParameterError: when two are the same.
    """
    first: dict[str, str] = {}
    for name, path in paths.items():
        if path is not None and (other := first.setdefault(path, name)) != name:
            raise ParameterError(f"{name} and {other} are the same path, {path!r}: write a path for each")


def check_one_of_opt_outs(opted_out: Any, opted_out_sql: str | None, opted_out_conn_id: str | None) -> None:
    """
    Check that opt-outs come from at most one place.

    :raises ValueError: when they come from two sources, or their query has no connection.
    """
    if opted_out is not None and opted_out_sql is not None:
        raise ValueError("opt-outs come from one place: write either opted_out=… or opted_out_sql=…")
    if opted_out_sql is not None and opted_out_conn_id is None:
        raise ValueError("opted_out_sql needs a connection to run on: write opted_out_conn_id=…")


def is_true(name: str, value: Any) -> bool:
    """
    Read a flag that a person or a template wrote.

    :raises ParameterError: when it is neither True nor False.
    """
    text = str(value).strip().casefold()
    if text in ("true", "1"):
        return True
    if text in ("false", "0", "none", ""):
        return False
    raise ParameterError(f"{name} is {value!r}: write True or False")


def as_generation(name: str, template: Any, value: Any) -> int | None:
    """
    Read a generation of a snapshot that a person or a template wrote.

    :param template: as it is written in the Dag.
    :param value: as it is rendered.
    :return: None only where the Dag says None: a plan that was lost must not pass for no plan.
    :raises ParameterError: when it is anything but a whole number, 0 or more.
    """
    if value is None and template is None:
        return None
    text = str(value).strip()
    if isinstance(value, int | str) and text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    shown = repr(value) if len(text) <= 20 else f"a {type(value).__name__}"
    raise ParameterError(f"{name} is {shown}: write the generation in the plan's summary, such as 7")
