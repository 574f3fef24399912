"""Where the databases and the broker of the tests are, and what happens where there are none."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest


def _fields(conn_type: str, port: str, schema: str, variables: tuple[str, ...], login: str) -> dict[str, Any]:
    """Return the fields of an Airflow connection, from the variables that the database's own client reads."""
    names = ("host", "port", "login", "password", "schema")
    defaults = ("127.0.0.1", port, login, "", schema)
    found = (os.environ.get(*pair) for pair in zip(variables, defaults, strict=True))
    fields: dict[str, Any] = dict(zip(names, found, strict=True))
    return {"conn_type": conn_type, **fields, "port": int(fields["port"])}


def _arguments(fields: dict[str, Any], **names: str) -> dict[str, Any]:
    """Return the same as arguments of a driver's ``connect``."""
    names = {"host": "host", "port": "port", "login": "user", "password": "password", **names}
    return {argument: fields[field] for field, argument in names.items()}


POSTGRES = _fields(
    "postgres", "5432", "test", ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"), login="postgres"
)
MARIADB = _fields(
    "mysql",
    "3306",
    "test",
    ("MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_USER", "MYSQL_PWD", "MYSQL_DATABASE"),
    login="root",
)
#: ClickHouse's client reads these, but for the port and the database.
CLICKHOUSE = _fields(
    "clickhouse",
    "9000",
    "default",
    ("CLICKHOUSE_HOST", "CLICKHOUSE_PORT", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_DATABASE"),
    login="default",
)
POSTGRES_ARGUMENTS = _arguments(POSTGRES, schema="dbname")
MARIADB_ARGUMENTS = _arguments(MARIADB, schema="database")
CLICKHOUSE_ARGUMENTS = _arguments(CLICKHOUSE)

#: PostgreSQL by way of ODBC and of JDBC: the driver's name in odbcinst.ini, and the JAR, where Debian has them.
ODBC_DRIVER = os.environ.get("POSTGRES_ODBC_DRIVER", "PostgreSQL Unicode")
JDBC_JAR = Path(os.environ.get("POSTGRES_JDBC_JAR", "/usr/share/java/postgresql.jar"))

#: Redis has no variables of its own; this one is Celery's and Flower's habit.
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def require_postgres() -> None:
    """Skip the test where PostgreSQL or its driver is missing; on CI, fail."""
    where = f"{POSTGRES['host']}:{POSTGRES['port']} (set PGHOST, PGPORT, …)"
    _require("PostgreSQL", "psycopg2", "OperationalError", connect_postgres, where)


def require_mariadb() -> None:
    """Skip the test where MariaDB or its driver is missing; on CI, fail."""
    where = f"{MARIADB['host']}:{MARIADB['port']} (set MYSQL_HOST, MYSQL_TCP_PORT, …)"
    _require("MariaDB", "MySQLdb", "OperationalError", connect_mariadb, where)


def require_redis() -> None:
    """Skip the test where Redis or its client is missing; on CI, fail."""
    _require("Redis", "redis", "ConnectionError", connect_redis, f"{REDIS_URL} (set REDIS_URL)")


def require_clickhouse() -> None:
    """Skip the test where ClickHouse or its driver is missing; on CI, fail."""
    where = f"{CLICKHOUSE['host']}:{CLICKHOUSE['port']} (set CLICKHOUSE_HOST, CLICKHOUSE_PORT, …)"
    _require("ClickHouse", "clickhouse_driver.errors", "NetworkError", connect_clickhouse, where)


def require_odbc() -> Any:
    """Skip the test where pyodbc, PostgreSQL or its ODBC driver is missing; on CI, fail."""
    require_postgres()
    pyodbc = require_package("pyodbc")
    if ODBC_DRIVER not in pyodbc.drivers():
        _missing(f"there is no ODBC driver {ODBC_DRIVER!r} (set POSTGRES_ODBC_DRIVER; Debian: odbc-postgresql)")
    return pyodbc


def require_jdbc() -> Any:
    """Skip the test where JayDeBeApi, Java, PostgreSQL or its JDBC driver is missing; on CI, fail."""
    require_postgres()
    jaydebeapi = require_package("jaydebeapi")
    if shutil.which("java") is None or not JDBC_JAR.exists():
        _missing(f"there is no Java or no {JDBC_JAR} (set POSTGRES_JDBC_JAR; Debian: libpostgresql-jdbc-java)")
    return jaydebeapi


def require_package(name: str) -> Any:
    """Skip the test where a package is missing; on CI, fail."""
    try:
        return importlib.import_module(name)
    except ImportError:
        _missing(f"{name} is not installed")


def connect_postgres() -> Any:
    """Open a connection of the tests' own, with autocommit."""
    connection = importlib.import_module("psycopg2").connect(**POSTGRES_ARGUMENTS, connect_timeout=5)
    connection.autocommit = True
    return connection


def connect_mariadb() -> Any:
    """Open a connection of the tests' own, with autocommit."""
    return importlib.import_module("MySQLdb").connect(**MARIADB_ARGUMENTS, connect_timeout=5, autocommit=True)


def connect_clickhouse() -> Any:
    """Open a connection of the tests' own, which answers."""
    connection: Any = importlib.import_module("clickhouse_driver").connect(**CLICKHOUSE_ARGUMENTS, connect_timeout=5)
    connection.cursor().execute("SELECT 1")
    return connection


def connect_redis() -> Any:
    """Open a connection of the tests' own."""
    redis: Any = importlib.import_module("redis").Redis.from_url(REDIS_URL, socket_connect_timeout=5)
    redis.ping()
    return redis


def _require(service: str, driver: str, unreachable: str, connect: Callable[[], Any], where: str) -> None:
    try:
        error = getattr(importlib.import_module(driver), unreachable)
    except ImportError:
        _missing(f"{driver}, the driver for {service}, is not installed")
    try:
        connect().close()
    except error:
        _missing(f"{service} does not answer on {where}")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
