"""Where rows come from, as far as Airflow has a say in it."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseHook, task
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.simulator import Simulator
from airflow_provider_octopush.sources.errors import RowsNotReadError
from tests.airflow_runs import TaskInstance, run_dag
from tests.conftest import SetConnection

pytestmark = pytest.mark.usefixtures("airflow_db")

MOBILE, OTHER = "+33612345678", "+33612345679"
ROWS = [{"phone_number": MOBILE, "first_name": "Zoé"}, {"phone_number": OTHER, "first_name": "Bob"}]


def execute(**kwargs: Any) -> dict[str, Any]:
    context: Any = {"ti": TaskInstance()}
    return CreateContactsOperator(task_id="sync", **kwargs).execute(context)


@pytest.fixture
def warehouse(tmp_path: Path, set_connection: SetConnection) -> Path:
    path = tmp_path / "warehouse.sqlite"
    set_connection("warehouse", conn_type="sqlite", host=str(path))
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (phone_number TEXT, first_name TEXT)")
    connection.executemany("INSERT INTO customers VALUES (:phone_number, :first_name)", ROWS)
    connection.commit()
    return path


class HouseHook(BaseHook):
    """A hook of somebody's own, which no type of connection leads to."""

    conn_name_attr = "house_conn_id"

    def __init__(self, house_conn_id: str, factor: int = 1) -> None:
        super().__init__()
        self.house_conn_id = house_conn_id
        self.factor = factor

    def get_conn(self) -> Any:
        return sqlite3.connect(str(self.get_connection(self.house_conn_id).host) * self.factor)


QUERY: dict[str, Any] = {"sql": "SELECT * FROM customers", "sql_conn_id": "warehouse"}


class TestTheHookBehindAQuery:
    @pytest.mark.parametrize("hook_class", [HouseHook, f"{__name__}.HouseHook"])
    @pytest.mark.usefixtures("octopush")
    def test_it_can_be_named(self, warehouse: Path, set_connection: SetConnection, hook_class: Any) -> None:
        set_connection("warehouse", conn_type="house", host=str(warehouse))
        assert execute(**QUERY, sql_hook_class=hook_class)["added"] == 2
        assert execute(**QUERY, sql_hook_class=hook_class, sql_hook_params={"factor": 1})["updated"] == 2

    @pytest.mark.parametrize(
        ("conn_type", "kwargs", "message"),
        [
            ("house", {}, "'warehouse' gives no hook for a database .*house.*name a hook with sql_hook_class"),
            ("fs", {}, "FSHook is not one.*: name one with sql_hook_class"),
            ("sqlite", {"sql_hook_class": int}, "conn_name_attr"),
            ("sqlite", {"sql_hook_class": f"{__name__}.NoSuchHook"}, "NoSuchHook"),
            ("house", {"sql_hook_class": HouseHook, "sql_hook_params": {"x": 1}}, "HouseHook.*'x'.*sql_hook_params"),
        ],
    )
    @pytest.mark.usefixtures("octopush", "warehouse")
    def test_a_connection_that_leads_to_no_database_is_final_and_names_the_parameter(
        self, set_connection: SetConnection, conn_type: str, kwargs: dict[str, Any], message: str
    ) -> None:
        set_connection("warehouse", conn_type=conn_type, host="x")
        with pytest.raises(AirflowFailException, match=message):
            execute(**QUERY, **kwargs)

    @pytest.mark.parametrize("conn_type", ["databricks", "google_cloud_platform", "gcpbigquery"])
    @pytest.mark.usefixtures("octopush")
    def test_what_is_meant_by_a_warehouses_connection_is_named_where_it_is_not_installed(
        self, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch, conn_type: str
    ) -> None:
        for package in ("databricks", "google"):
            monkeypatch.setitem(sys.modules, f"airflow.providers.{package}", None)
        set_connection("warehouse", conn_type=conn_type)
        with pytest.raises(
            AirflowFailException, match=r"no hook for a database \(ModuleNotFoundError: .*airflow\.providers\."
        ):
            execute(**QUERY)

    @pytest.mark.parametrize("sql", ["DELETE FROM customers", "SELECT 1; SELECT 2", "-- nothing"])
    @pytest.mark.usefixtures("octopush")
    def test_a_statement_that_is_no_query_is_final(self, warehouse: Path, sql: str) -> None:
        with pytest.raises(AirflowFailException, match="write one SELECT"):
            execute(sql=sql, sql_conn_id="warehouse")
        assert sqlite3.connect(warehouse).execute("SELECT count(*) FROM customers").fetchone() == (2,)


class TestRowsOfFiles:
    def test_a_file_by_a_templated_path(self, dag: DAG, octopush: Simulator, tmp_path: Path) -> None:
        (tmp_path / "customers-7.csv").write_text("mobile;name\n06 12 34 56 78;Zoé\n", encoding="latin-1")
        CreateContactsOperator(
            task_id="sync",
            data_path=f"{tmp_path}/customers-{{{{ params.n }}}}.csv",
            data_options={"delimiter": "{{ params.delimiter }}", "encoding": "latin-1"},
            columns={"phone_number": "mobile", "first_name": "name"},
            default_region="FR",
            list_name="Customers",
            params={"n": 7, "delimiter": ";"},
        )
        run = run_dag(dag)
        assert (run.state, run.results["sync"]["added"]) == ("success", 1)
        # Airflow 2 masks a word in it that is the password of some connection of the tests.
        path = run.rendered["sync"]["data_path"]
        assert path == f"{tmp_path}/customers-7.csv" or ("***" in path and path.endswith("/customers-7.csv"))
        assert octopush.contacts[MOBILE].fields["first_name"] == "Zoé"

    def test_what_a_warehouse_unloads(self, octopush: Simulator, tmp_path: Path) -> None:
        for number, row in enumerate(ROWS):
            folder = tmp_path / "unload" / f"country={number}"
            folder.mkdir(parents=True)
            (folder / "part-0.jsonl").write_text(json.dumps(row))
        (tmp_path / "unload" / "_SUCCESS").touch()
        for path in ("unload", "unload/", "unload/*/*.jsonl", "unload/**/*.jsonl"):
            assert execute(data_path=f"{tmp_path}/{path}", list_name="L")["read"] == 2
        assert octopush.lists == {"L": {MOBILE, OTHER}}

    @pytest.mark.usefixtures("octopush")
    def test_a_row_where_the_names_should_be_is_not_shown(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "customers.csv").write_text("n/a,Balthazar,Dupont\n", encoding="utf-8")
        for columns in ({}, {"phone_number": "mobile"}):
            with pytest.raises(AirflowFailException, match="3, not shown because they may be values") as raised:
                execute(data_path=f"{tmp_path}/customers.csv", columns=columns)
            assert "Balthazar" not in f"{raised.value}{raised.value.__cause__}{caplog.text}"
        (tmp_path / "customers.csv").write_text("number,first_name\n", encoding="utf-8")
        with pytest.raises(AirflowFailException, match="the columns are 'number', 'first_name'"):
            execute(data_path=f"{tmp_path}/customers.csv")

    def test_files_without_names_get_them_from_data_columns(self, octopush: Simulator, tmp_path: Path) -> None:
        for number, row in enumerate(ROWS):
            folder = tmp_path / f"country={number}"
            folder.mkdir()
            (folder / "000.csv").write_text(f"{row['phone_number']}|{row['first_name']}|\\N\n")
        summary = execute(
            data_path=f"{tmp_path}/",
            data_columns=["phone_number", "first_name", "last_name"],
            data_options={"delimiter": "|", "null": "\\N"},
        )
        assert summary["added"] == 2
        fields = octopush.contacts[MOBILE].fields
        assert (fields["first_name"], fields.get("last_name")) == ("Zoé", None)

    @pytest.mark.parametrize("first_name", ['=1+1 "Zoé"\n', "'=x", "\r\n", " a "])
    def test_rejects_are_replayed_as_they_were(self, octopush: Simulator, tmp_path: Path, first_name: str) -> None:
        rejects = tmp_path / "rejects.csv"
        rows = [{"phone_number": "0612345678", "first_name": first_name}, *ROWS[1:]]
        assert execute(data=rows, max_rejected=1, rejects_path=str(rejects))["invalid"] == 1
        assert execute(data_path=str(rejects), default_region="FR")["added"] == 1
        expected = None if first_name.isspace() else first_name
        assert octopush.contacts[MOBILE].fields.get("first_name") == expected

    @pytest.mark.usefixtures("octopush")
    def test_rejects_that_may_not_be_sent_are_rejected_again(self, tmp_path: Path) -> None:
        rejects = tmp_path / "rejects.csv"
        rows = [{"phone_number": MOBILE, "first_name": "Zo\0é"}, {"phone_number": OTHER, "first_name": "\x1a"}]
        for source in ({"data": rows}, {"data_path": str(rejects)}):
            summary = execute(**source, max_rejected=2, rejects_path=str(rejects))
            assert (summary["read"], summary["invalid"]) == (2, 2)

    def test_any_path_of_airflows_object_storage(self, object_store: Any, octopush: Simulator) -> None:
        for name, row in zip("ab", ROWS, strict=True):
            object_store.pipe(f"/bucket/2026/{name}.csv", f"phone_number\n{row['phone_number']}\n".encode())
        object_store.pipe("/bucket/2026/_SUCCESS", b"")
        for path in ("2026", "2026/*.csv", "2026/?.csv"):
            assert execute(data_path=f"memory://bucket/{path}")["read"] == 2
        assert execute(data_path="memory://bucket/2026/b.csv")["read"] == 1
        assert octopush.lists == {}

    def test_a_table_of_an_engine_is_final_and_nothing_of_it_is_read(self, octopush: Simulator, tmp_path: Path) -> None:
        for name in ("a.csv", "_delta_log/0.json"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(f"phone_number\n{MOBILE}\n")
        with pytest.raises(AirflowFailException, match=r"files of a table that Delta Lake keeps .* with sql=…"):
            execute(data_path=f"{tmp_path}/*.csv")
        assert octopush.requests == []

    @pytest.mark.parametrize("path", ["", "/_country=*/*.csv", "/_country=FR"])
    def test_the_folder_of_a_partition_is_read_and_is_no_column(
        self, octopush: Simulator, tmp_path: Path, path: str
    ) -> None:
        (tmp_path / "_country=FR").mkdir()
        (tmp_path / "_country=FR" / "a.csv").write_text(f"phone_number\n{MOBILE}\n")
        with pytest.raises(AirflowFailException, match="region is fed by column '_country', which is not there"):
            execute(data_path=f"{tmp_path}{path}", columns={"region": "_country"})
        assert execute(data_path=f"{tmp_path}{path}", list_name="L")["added"] == 1
        assert octopush.lists == {"L": {MOBILE}}

    @pytest.mark.parametrize("path", ["", "/*.csv"])
    @pytest.mark.usefixtures("octopush")
    def test_a_link_to_no_file_is_never_passed_over(self, tmp_path: Path, path: str) -> None:
        (tmp_path / "a.csv").write_text(f"phone_number\n{MOBILE}\n")
        (tmp_path / "b.csv").symlink_to(tmp_path / "nowhere")
        with pytest.raises(RowsNotReadError, match=r"b\.csv has gone .*, or is a link that leads nowhere"):
            execute(data_path=f"{tmp_path}{path}")

    @pytest.mark.parametrize("parameters", [{"data_path": "{}"}, {"data": ROWS, "rejects_path": "{}"}])
    @pytest.mark.parametrize(
        ("uri", "package"), [("s3://elsewhere@b/a.csv", r"amazon\[s3fs\]"), ("nfs4://b/a.csv", "")]
    )
    def test_a_store_that_nothing_installed_opens_is_final_and_names_the_package(
        self,
        octopush: Simulator,
        monkeypatch: pytest.MonkeyPatch,
        parameters: dict[str, Any],
        uri: str,
        package: str,
    ) -> None:
        monkeypatch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(
            AirflowFailException, match=rf"^no installed package opens '{uri}': .*, install .*{package}"
        ):
            execute(**{name: uri if value == "{}" else value for name, value in parameters.items()})
        assert octopush.requests == []

    def test_options_may_come_from_upstream(self, dag: DAG, octopush: Simulator, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text(f"phone_number;x\n{MOBILE};\n")

        @task
        def delimiter() -> str:
            return ";"

        CreateContactsOperator(
            task_id="sync", data_path=f"{tmp_path}/a.csv", data_options={"delimiter": delimiter()}, list_name="L"
        )
        assert run_dag(dag).state == "success"
        assert octopush.lists == {"L": {MOBILE}}


class TestRowsFromUpstream:
    @pytest.mark.usefixtures("warehouse")
    def test_what_a_query_operator_returned(self, dag: DAG, octopush: Simulator) -> None:
        records = SQLExecuteQueryOperator(
            task_id="records", conn_id="warehouse", sql="SELECT phone_number, first_name FROM customers"
        )
        CreateContactsOperator(
            task_id="sync", data=records.output, data_columns=["phone_number", "first_name"], list_name="Customers"
        )
        run = run_dag(dag)
        assert (run.state, run.results["sync"]["added"]) == ("success", 2)
        assert octopush.lists == {"Customers": {MOBILE, OTHER}}

    def test_several_tasks_in_a_list(self, dag: DAG, octopush: Simulator) -> None:
        @task
        def one() -> list[dict[str, Any]]:
            return ROWS[:1]

        @task
        def each(i: int) -> list[dict[str, Any]]:
            return ROWS[i : i + 1]

        @task
        def phone() -> str:
            return "+33612345670"

        CreateContactsOperator(
            task_id="sync", data=[one(), each.expand(i=[1]), {"phone_number": phone()}], list_name="L"
        )
        run = run_dag(dag)
        assert run.state == "success"
        assert octopush.lists == {"L": {MOBILE, OTHER, "+33612345670"}}


class TestParameters:
    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({}, "rows come from exactly one place"),
            ({"data_path": "x", "sql": "SELECT 1", "sql_conn_id": "x"}, "rows come from exactly one place"),
            (
                {"sql": "SELECT 1", "sql_conn_id": "x", "data_columns": ["a"]},
                r"data_columns is for rows from data=… or data_path=…",
            ),
            (
                {"data_path": "a.CSV.gz", "data_options": {"header": None}},
                "data_options has 'header', .* the options are ",
            ),
            (
                {"data_path": "{{ ds }}.csv", "data_options": {"delimiter": "{{ ds }}", "sep": ";"}},
                "data_options has 'sep': write 'delimiter'",
            ),
            (
                {"data_path": "a.csv", "data_options": {"delimiter": ";;"}},
                "data_options has an impossible value",
            ),
            ({"data_path": "a.csv", "data_columns": ["a", "a"]}, "write a list of different names"),
            ({"data": [], "data_columns": "phone_number"}, "data_columns is 'phone_number': write a list"),
            ({"data": [], "data_columns": []}, r"data_columns is \[\]: write a list"),
            ({"data": [], "data_columns": ["a", "a"]}, "write a list of different names"),
            ({"data": [], "data_columns": ["a", 1]}, "write a list of different names"),
            ({"data": [], "columns": {"phone_number": 0}}, "columns says that 0 feeds phone_number: write the name"),
            ({"data": [], "columns": {"param1": None}}, "columns says that None feeds param1: write the name"),
        ],
    )
    def test_wrong_ones_fail_when_the_dag_is_parsed(self, kwargs: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            CreateContactsOperator(task_id="sync", **kwargs)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"phone_number": None}, r"columns says that None \(NoneType\) feeds phone_number"),
            ({"phone_number": 0}, r"columns says that 0 \(int\) feeds phone_number"),
            (
                "{'phone_number': 'mobile'}",
                r"renders to a str, but must be a dict, .*render_template_as_native_obj=True",
            ),
            (["mobile"], r"renders to a list, but must be a dict"),
            (None, r"renders to None \(NoneType\), but must be a dict"),
            ("", r"renders to '' \(str\), but must be a dict"),
        ],
    )
    def test_columns_that_render_to_no_names_are_final(self, octopush: Simulator, columns: Any, message: str) -> None:
        context: Any = {"ti": TaskInstance()}
        operator = CreateContactsOperator(task_id="sync", data=ROWS, columns={"phone_number": "{{ x }}"})
        operator.columns = columns
        with pytest.raises(AirflowFailException, match=message):
            operator.execute(context)
        assert octopush.requests == []

    def test_native_rendering_makes_a_number_of_a_name(self, octopush: Simulator) -> None:
        with DAG(
            "native",
            schedule=None,
            start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            render_template_as_native_obj=True,
        ) as dag:
            CreateContactsOperator(task_id="sync", data=ROWS, list_name="{{ params.year }}", params={"year": "2026"})
        assert run_dag(dag).states == {"sync": "failed"}
        assert octopush.requests == []

    @pytest.mark.parametrize("name", ["list_name", "tag_name"])
    @pytest.mark.parametrize(
        ("template", "value", "message"),
        [
            ("{{ params.none }}", None, r"='\{\{ params\.none \}\}' renders to None \(NoneType\), but must be text"),
            ("{{ params.none }}", "None", r"='\{\{ params\.none \}\}' renders to 'None' \(str\), but must be text"),
            ("{{ params.seven }}", 7, r"='\{\{ params\.seven \}\}' renders to 7 \(int\), but must be text"),
        ],
    )
    def test_a_name_that_renders_to_none_or_a_number_is_final_and_says_which_template_it_was(
        self, octopush: Simulator, name: str, template: str, value: Any, message: str
    ) -> None:
        context: Any = {"ti": TaskInstance()}
        written: dict[str, Any] = {name: template}
        operator = CreateContactsOperator(task_id="sync", data=ROWS, **written)
        setattr(operator, name, value)
        with pytest.raises(AirflowFailException, match=f"^{name}{message}"):
            operator.execute(context)
        assert octopush.requests == []

    @pytest.mark.parametrize("written", [{"data_path": "{{ x }}"}, {"sql": "{{ x }}", "sql_conn_id": "warehouse"}])
    @pytest.mark.parametrize("value", [None, "", "  ", "None", 7, ["SELECT 1"]])
    def test_a_path_or_a_query_that_renders_to_none_is_final_and_reads_nothing(
        self, octopush: Simulator, written: dict[str, Any], value: Any
    ) -> None:
        context: Any = {"ti": TaskInstance()}
        name = next(iter(written))
        operator = CreateContactsOperator(task_id="sync", **written)
        setattr(operator, name, value)
        with pytest.raises(
            AirflowFailException,
            match=rf"^{name}='\{{\{{ x \}}\}}' renders to .*, but must be text: correct the template",
        ):
            operator.execute(context)
        assert octopush.requests == []

    @pytest.mark.parametrize("value", ["", " \n", "None", ["x"], 7, True, Path("x")])
    def test_a_path_or_a_query_that_is_written_so_fails_when_the_dag_is_parsed(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^data_path is .*: write "):
            CreateContactsOperator(task_id="sync", data_path=value)
        with pytest.raises(ValueError, match=r"^sql is .*: write one SELECT"):
            CreateContactsOperator(task_id="sync", sql=value, sql_conn_id="warehouse")

    def test_a_path_a_query_and_columns_may_come_from_upstream(
        self, dag: DAG, octopush: Simulator, tmp_path: Path
    ) -> None:
        (tmp_path / "a.csv").write_text(f"mobile\n{MOBILE}\n")

        @task
        def path() -> str:
            return str(tmp_path / "a.csv")

        @task
        def columns() -> dict[str, str]:
            return {"phone_number": "mobile"}

        found: Any = {"data_path": path(), "columns": columns()}
        CreateContactsOperator(task_id="sync", list_name="L", **found)
        assert run_dag(dag).state == "success"
        assert octopush.lists == {"L": {MOBILE}}

    def test_a_list_may_be_called_none(self, octopush: Simulator) -> None:
        execute(data=ROWS, list_name="None")
        assert octopush.lists == {"None": {MOBILE, OTHER}}
