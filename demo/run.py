"""``make demo``: the nightly Dag on real Airflow, from a messy table to a list, and what came of each row."""

from __future__ import annotations

import csv
import datetime as dt
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import phonenumbers
import surroundings
import warehouse

from airflow_provider_octopush.outcomes import CREATE_OUTCOMES, SYNC_OUTCOMES

DAY = dt.date(2026, 11, 20)
FOLDER = surroundings.folder_of("demo")
LOG = FOLDER / "demo.log"


class DemoError(Exception):
    """Something is not as it should be."""


@contextmanager
def logged() -> Iterator[None]:
    """Write to the log what this process prints, and what it starts."""
    sys.stdout.flush()
    printed = [os.dup(descriptor) for descriptor in (1, 2)]
    with LOG.open("a") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        try:
            yield
        finally:
            sys.stdout.flush()
            for descriptor, kept in zip((1, 2), printed, strict=True):
                os.dup2(kept, descriptor)
                os.close(kept)


def airflow(*arguments: str) -> None:
    """Run a command of Airflow, which is imported once for all: that takes longer than the command."""
    with logged():
        from airflow.cli.cli_parser import get_parser

        try:
            command = get_parser().parse_args(arguments)
            command.func(command)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            raise DemoError(f"airflow {' '.join(arguments)} failed: see {LOG}") from error


def summary_of(dag_id: str, task_id: str) -> dict[str, Any]:
    """Read the summary that the task has pushed to XCom in its newest run."""
    with logged():
        from airflow.models.taskinstance import TaskInstance  # noqa: TID251 - a model of the database
        from airflow.utils.session import create_session

        with create_session() as session:
            tis = session.query(TaskInstance).filter_by(dag_id=dag_id, task_id=task_id)
            ti: Any = tis.order_by(TaskInstance.run_id.desc()).first()
            state, summary = str(ti.state), ti.xcom_pull(task_ids=ti.task_id, session=session)
    if state != "success" or summary is None:
        raise DemoError(f"the task ended as {state}: see {LOG}")
    result: dict[str, Any] = summary
    return result


def show(summary: dict[str, Any], held: dict[str, Any], rejects: Path) -> None:
    """Tell a person what happened."""
    print("\nEvery row ended in exactly one outcome:\n")
    print(f"  {'read':<14} {summary['read']:>6,}")
    for outcome in CREATE_OUTCOMES:
        print(f"    {outcome:<12} {summary[outcome]:>6,}")
    print(f"\n  {summary['requests']} requests, {summary['duration_seconds']:.1f} s")
    print("\nWhy rows were rejected:\n")
    for reason, number in summary["reasons"].items():
        print(f"  {number:>6,}  {reason}")
    print(f"\nThe rejected rows themselves are in {rejects.relative_to(surroundings.PROJECT)}, such as:\n")
    with rejects.open(newline="", encoding="utf-8") as file:
        for row in [row for row in csv.DictReader(file) if row["outcome"] == "invalid"][:3]:
            print(f"  row {row['row']}: {row['phone_number']!r} ({row['region']}): {row['reason']}")
    numbers = held["lists"]["Customers"]
    countries = Counter(phonenumbers.region_code_for_number(phonenumbers.parse(number)) for number in numbers)
    print(f"\nThe list Customers now holds {len(numbers):,} contacts:\n")
    print("  " + ", ".join(f"{country} {number:,}" for country, number in countries.most_common()))
    print("\n  such as (all of them invented):\n")
    for contact in held["contacts"][:5]:
        name = f"{contact.get('first_name', '')} {contact.get('last_name', '')}"
        print(f"  {contact['phone_number']:<15} {name:<28} {contact.get('param1', '')}")


def check(summary: dict[str, Any], held: dict[str, Any], rejects: Path) -> None:
    """Make sure that what is reported is true."""
    with rejects.open(newline="", encoding="utf-8") as file:
        rejected = sum(1 for _ in csv.DictReader(file))
    findings = {
        "the counts do not add up": summary["read"] != sum(summary[name] for name in CREATE_OUTCOMES),
        "no contact was added": summary["added"] == 0,
        "nothing was rejected, although the table is a mess": summary["invalid"] == 0,
        "the list does not hold what was added": len(held["lists"]["Customers"]) != summary["added"],
        "the rejected rows are not all there": rejected != summary["invalid"] + summary["duplicates"],
    }
    wrong = [finding for finding, is_so in findings.items() if is_so]
    if wrong:
        raise DemoError("; ".join(wrong))


def two_nights(database: Path, url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keep another list in step for two nights, with a day between them."""
    for night, title in enumerate(("the first night", "a day later")):
        day = DAY + dt.timedelta(days=1 + night)
        print(f"Running the Dag synced_list for {day} …", flush=True)
        airflow("dags", "test", "synced_list", str(day))
        summary = summary_of("synced_list", "sync_newsletter")
        held = len(surroundings.look_into(url)["lists"]["Newsletter"])
        findings = {
            "the counts do not add up": summary["read"] != sum(summary[name] for name in SYNC_OUTCOMES),
            "the list does not hold what the snapshot does": held != summary["snapshot_after"],
            "nobody opted out": summary["opted_out"] == 0,
            "a day changed nothing": night == 1 and not (summary["updated"] and summary["removed_opted_out"]),
            "everything was sent again": night == 1 and summary["unchanged"] < summary["updated"],
        }
        for finding, is_true in findings.items():
            if is_true:
                raise DemoError(f"{finding}: {summary}")
        yield title, summary
        warehouse.pass_a_day(database)


def show_night(title: str, summary: dict[str, Any]) -> None:
    """Tell a person what became of the list that is kept in step."""
    counted = [(name, summary[name]) for name in SYNC_OUTCOMES if summary[name]]
    print(f"\nThe list Newsletter, kept in step, {title}: {summary['requests']} requests\n")
    print("  " + ", ".join(f"{name} {number:,}" for name, number in counted))
    print(f"  removed {summary['removed']:,}, {summary['removed_opted_out']:,} of them opted out; ", end="")
    print(f"the list held {summary['snapshot_before']:,} and holds {summary['snapshot_after']:,}")


def main() -> int:
    """Run the demo; returns the exit code."""
    LOG.write_text("")
    database = surroundings.make_warehouse(FOLDER, DAY)
    print(f"A warehouse of {surroundings.CUSTOMERS:,} invented customers, and Octopush on localhost.")
    with surroundings.simulator() as url:
        surroundings.forget_snapshots(FOLDER)
        environment = surroundings.environment(FOLDER, url, database)
        # Without the variables of another Airflow.
        os.environ.clear()
        os.environ.update(environment)
        print("Setting up Airflow …", flush=True)
        airflow("db", "reset", "--yes")
        print(f"Running the Dag nightly_sync for {DAY} …", flush=True)
        airflow("dags", "test", "nightly_sync", str(DAY + dt.timedelta(days=1)))
        summary = summary_of("nightly_sync", "sync_customers")
        held = surroundings.look_into(url)
        nights = list(two_nights(database, url))
    rejects = Path(url2pathname(urlsplit(summary["rejects_path"]).path))
    show(summary, held, rejects)
    check(summary, held, rejects)
    for title, night in nights:
        show_night(title, night)
    print("\nAll of this was checked: the counts add up, and the list holds exactly what was reported.")
    return 0


if __name__ == "__main__":
    surroundings.clean_up_when_stopped()
    try:
        sys.exit(main())
    except (DemoError, RuntimeError) as error:
        sys.exit(f"The demo failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
