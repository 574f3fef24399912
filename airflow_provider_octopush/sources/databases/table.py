"""A connection → what must be known about its driver."""

from __future__ import annotations

from typing import Any

from airflow_provider_octopush.sources.databases import (
    bigquery,
    clickhouse,
    databricks,
    duckdb,
    jdbc,
    mysql,
    odbc,
    oracle,
    postgresql,
    redshift,
    sql_server,
    sqlite,
    trino,
)
from airflow_provider_octopush.sources.databases.driver import Driver

#: The package or module of a connection's class → its driver's entry.
DRIVERS: dict[str, Driver] = {
    "psycopg": postgresql.PSYCOPG,
    "psycopg2": postgresql.PSYCOPG2,
    "redshift_connector": redshift.REDSHIFT,
    "MySQLdb": mysql.MYSQLCLIENT,
    "pymysql": mysql.PYMYSQL,
    "mysql.connector": mysql.CONNECTOR,
    "pyodbc": odbc.ODBC,
    "jaydebeapi": jdbc.JDBC,
    "sqlite3": sqlite.SQLITE,
    "duckdb": duckdb.DUCKDB,
    "_duckdb": duckdb.DUCKDB,
    "clickhouse_driver": clickhouse.CLICKHOUSE,
    "oracledb": oracle.ORACLE,
    "airflow.providers.google": bigquery.BIGQUERY,
    "databricks": databricks.DATABRICKS,
    "trino": trino.TRINO,
    "pymssql": sql_server.SQL_SERVER,
}


def driver_of(conn: Any) -> tuple[str, Driver]:
    """
    Find the entry of a connection's driver.

    :param conn: an open connection.
    :return: the driver's name, and its entry; for a driver that is not in the table, the one that PEP 249 allows for
        all.
    """
    modules = [kind.__module__ for kind in type(conn).__mro__]
    for module in modules:
        for name, driver in DRIVERS.items():
            if module == name or module.startswith(f"{name}."):
                return name, driver
    return modules[0].partition(".")[0], Driver()
