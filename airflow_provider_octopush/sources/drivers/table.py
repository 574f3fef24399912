"""A connection → what its driver needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from airflow_provider_octopush.sources.drivers import jdbc, mysql, odbc, postgresql, warehouses
from airflow_provider_octopush.sources.drivers.driver import Driver

#: The package or module that a connection's class is defined in → what the driver needs.
DRIVERS: dict[str, Driver] = {
    "psycopg": postgresql.PSYCOPG,
    "psycopg2": postgresql.PSYCOPG2,
    "redshift_connector": postgresql.REDSHIFT,
    "MySQLdb": mysql.MYSQLCLIENT,
    "pymysql": mysql.PYMYSQL,
    "mysql.connector": mysql.CONNECTOR,
    "pyodbc": odbc.ODBC,
    "jaydebeapi": jdbc.JDBC,
    "sqlite3": warehouses.SQLITE,
    "duckdb": warehouses.DUCKDB,
    "_duckdb": warehouses.DUCKDB,
    "clickhouse_driver": warehouses.CLICKHOUSE,
    "oracledb": warehouses.ORACLE,
    "snowflake": warehouses.SNOWFLAKE,
    "fakesnow": warehouses.SNOWFLAKE,
    "airflow.providers.google": warehouses.BIGQUERY,
    "databricks": warehouses.DATABRICKS,
    "trino": warehouses.TRINO,
    "pymssql": warehouses.SQL_SERVER,
}

#: What PEP 249 calls ``paramstyle`` → how a statement then writes its parameters.
_STYLES: Mapping[object, tuple[str, ...]] = {
    "qmark": ("?",),
    "numeric": (":1",),
    "named": (":name",),
    "format": ("%s",),
    "pyformat": ("%(name)s", "%s"),
}


def driver_of(conn: Any) -> tuple[str, Driver]:
    """
    Find out what the driver of a connection needs.

    :param conn: an open connection.
    :return: the driver's name, and its entry; of a driver that is not in the table, what its module says.
    """
    modules = [kind.__module__ for kind in type(conn).__mro__]
    for module in modules:
        for name, driver in DRIVERS.items():
            if module == name or module.startswith(f"{name}."):
                return name, driver
    name = modules[0].partition(".")[0]
    return name, Driver(parameters=_STYLES.get(getattr(sys.modules.get(name), "paramstyle", None), ()))
