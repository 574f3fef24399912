"""The page in a real browser, over an API that plays whatever a history may hold, and whatever may go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import airflow
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Frame, FrameLocator, Page, expect

from airflow_provider_octopush.sync.summary import CreateSummary, DeletionSummary, ListSummary, Summary
from tests.integration.browser import browser, violations

if tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 1):
    pytest.skip("Airflow shows pages of plugins from 3.1 on", allow_module_level=True)

from tests.history.fake_airflow import START, FakeAirflow, Instance, Run, history, serving, summary

pytestmark = pytest.mark.integration

#: What nobody may take for markup, an address or a path.
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    '["customers","sync"]',
    "\"'><svg onload=alert(1)>",
    "{{ 7 * 7 }} ${7 * 7} &lt;b&gt;",
    "../../../api/v2/connections?x=#y",
    "‮ab\u0000c",
]


@pytest.fixture(scope="module")
def chromium_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture
def page(chromium_page: Page) -> Iterator[Page]:
    """A browser's page; whatever its scripts complain of fails the test, but what Airflow's own frame is told."""
    complaints: list[str] = []

    def complain(what: Any) -> None:
        text = getattr(what, "text", None) or str(what)
        if "can escape its sandboxing" not in text and "Failed to load resource" not in text:
            complaints.append(text)

    def dialog(opened: Any) -> None:
        complaints.append(f"a dialog: {opened.message}")
        opened.dismiss()

    handlers: dict[Any, Callable[[Any], None]] = {"console": complain, "pageerror": complain, "dialog": dialog}
    for event, handler in handlers.items():
        chromium_page.on(event, handler)
    chromium_page.set_viewport_size({"width": 1280, "height": 800})
    yield chromium_page
    for event, handler in handlers.items():
        chromium_page.remove_listener(event, handler)
    chromium_page.goto("about:blank")
    assert complaints == []


@contextmanager
def opened(
    page: Page, airflow: FakeAirflow, dag_id: str = "customers", task_id: str = "sync"
) -> Iterator[FrameLocator]:
    """Open a task's history as Airflow shows it; gives the frame when all is read."""
    with serving(airflow):
        page.goto(airflow.history_url(dag_id, task_id))
        shown = page.frame_locator("iframe")
        settled(shown)
        yield shown


def settled(shown: FrameLocator) -> None:
    expect(shown.get_by_role("status").filter(has_not_text="…")).to_have_count(1)


def of_sync(*runs: Any) -> FakeAirflow:
    return FakeAirflow({"customers": {"sync": history(*runs)}})


def table(shown: FrameLocator) -> list[dict[str, str]]:
    """Read the numbers by the names of their columns, as who cannot see the bars does."""
    names = [name.strip() for name in shown.locator("table.runs thead th").all_inner_texts()][1:]
    rows = [row.locator("td").all_inner_texts() for row in shown.locator("tr.numbers").all()]
    return [dict(zip(names, row, strict=True)) for row in rows]


@contextmanager
def opened_all(page: Page, airflow: FakeAirflow) -> Iterator[FrameLocator]:
    """Open "All syncs" as Airflow shows it; gives the frame when every task's newest run is read."""
    with serving(airflow):
        page.goto(f"{airflow.url}/plugin/octopush")
        shown = page.frame_locator("iframe")
        expect(shown.get_by_text("These are all that you may see.")).to_be_visible()
        yield shown


def warnings(shown: FrameLocator, row: int = 0) -> list[str]:
    """Read what somebody has to look at, of a run or of a task."""
    rows = shown.locator("tbody.run, table.syncs tbody tr")
    return rows.nth(row).locator(".warning").all_text_contents()


def widths(shown: FrameLocator, run: int) -> dict[str, float]:
    """Measure the segments of a run's bar, in pixels."""
    segments = shown.locator("tbody.run").nth(run).locator(".segment")
    found = {}
    for index in range(segments.count()):
        box = segments.nth(index).bounding_box()
        assert box is not None
        name = (segments.nth(index).get_attribute("class") or "").split()[-1]
        found[name] = box["width"]
    return found


NIGHTS: list[dict[str, Any]] = [
    {"added": 10, "updated": 20, "unchanged": 150, "opted_out": 5, "invalid": 15, "removed": 40, "removed_opted_out": 2,
     "kept": 0, "kept_reason": None, "first_run": False, "snapshot_before": 210, "snapshot_after": 180},
    {"added": 0, "updated": 0, "unchanged": 200, "opted_out": 0, "invalid": 0, "removed": 0, "removed_opted_out": 0,
     "kept": 90, "kept_reason": "max_removed=0.1 allows 21 of 210", "first_run": False, "snapshot_before": 210,
     "snapshot_after": 210},
    {"added": 210, "updated": 0, "unchanged": 0, "opted_out": 0, "invalid": 30, "removed": 0, "removed_opted_out": 0,
     "kept": 0, "kept_reason": None, "first_run": True, "snapshot_before": 0, "snapshot_after": 210},
]  # fmt: skip

MISSING = "90 of 210 contacts (42.9%) are missing from the rows; max_removed (a tenth, at least 10) allows 21"
NEW = "400 contacts would be added to a list of 210; max_added (50%) allows 105"
#: Held by both limits; and the plan of such a run.
HELD: dict[str, Any] = {
    "list_name": "Customers", "unchanged": 120, "unsent": 400, "kept": 90, "kept_reason": f"{MISSING}; {NEW}",
    "exceeded": [MISSING, NEW], "snapshot_before": 210, "snapshot_after": 210,
}  # fmt: skip
PLAN: dict[str, Any] = {
    "list_name": "Customers", "added": 400, "unchanged": 120, "removed": 90, "exceeded": [MISSING, NEW],
    "dry_run": True, "snapshot_before": 210, "snapshot_after": 520,
}  # fmt: skip


def test_each_run_has_a_bar_in_proportion_and_its_numbers_as_text(page: Page) -> None:
    with opened(page, of_sync(*(summary(**night) for night in NIGHTS))) as shown:
        rows = table(shown)
        assert [row["added"] for row in rows] == ["10", "0", "210"]
        assert [row["unchanged"] for row in rows] == ["150", "200", "0"]
        assert [row["removed"] for row in rows] == ["40", "0", "0"]
        assert [row["opted out"] for row in rows] == ["5", "0", "0"]
        assert [row["list"] for row in rows] == ["180", "210", "210"]
        newest, _, first = (widths(shown, run) for run in range(3))
        assert newest.keys() == {"added", "updated", "unchanged", "opted_out", "invalid", "removed"}
        # One scale for all runs and both sides of the line, from zero.
        pixel = first["added"] / 210
        for bars, night in ((newest, NIGHTS[0]), (first, NIGHTS[2])):
            for name, width in bars.items():
                assert width == pytest.approx(night[name] * pixel, abs=2.5), name
        expect(shown.get_by_text("first run")).to_have_count(1)
        expect(shown.get_by_text("90 contacts should have been removed, and were not")).to_contain_text("21 of 210")
        expect(
            shown.get_by_role("img", name="210 after the oldest of these runs, 180 after the newest")
        ).to_be_visible()


KINDS: list[type[Summary]] = [CreateSummary, ListSummary, DeletionSummary]


@pytest.mark.parametrize("kind", KINDS)
def test_every_outcome_of_a_row_has_a_segment_and_a_number(page: Page, kind: type[Summary]) -> None:
    counted: dict[str, Any] = {name: 100 + index for index, name in enumerate(kind.outcomes)}
    whole = kind(**counted, read=sum(counted.values()))
    whole.check()
    with opened(page, of_sync(whole.as_xcom())) as shown:
        (row,) = table(shown)
        assert {name: row[name.replace("_", " ")] for name in counted} == {n: str(c) for n, c in counted.items()}
        assert widths(shown, 0).keys() == counted.keys()
    with opened_all(page, of_sync(whole.as_xcom())) as shown:
        for name, number in counted.items():
            expect(shown.locator("table.syncs tbody tr")).to_contain_text(f"{name.replace('_', ' ')} {number}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_outcome_has_a_look_that_who_sees_no_colours_tells_apart(page: Page, kind: type[Summary]) -> None:
    counted: dict[str, Any] = dict.fromkeys(kind.outcomes, 1)
    with opened(page, of_sync(kind(**counted, read=len(counted)).as_xcom())) as shown:
        samples = shown.locator(".legend .sample")
        shapes = samples.evaluate_all(
            "samples => samples.map(s => { const c = getComputedStyle(s); return c.backgroundImage + c.border })"
        )
        assert len(shapes) == len(set(shapes)) >= len(counted)
        looks = samples.evaluate_all(
            "all => all.map(getComputedStyle).map((one) => one.backgroundImage + one.backgroundColor)"
        )
        assert "nonergba(0, 0, 0, 0)" not in looks


def test_a_run_that_limits_held_names_each_once_and_what_was_not_sent(page: Page) -> None:
    words = [f"Held by a limit: {MISSING}", f"Held by a limit: {NEW}"]
    kept = "90 contacts should have been removed, and were not"
    held = [Instance(summary(**HELD), "failed")]
    with opened(page, of_sync(held, summary(**NIGHTS[0]))) as shown:
        assert warnings(shown) == [*words, kept]
        assert warnings(shown, 1) == []
        newest, before = table(shown)
        assert (newest["unsent"], newest["read"], before["unsent"]) == ("400", "520", "–")
        assert widths(shown, 0)["unsent"] == pytest.approx(400 / 120 * widths(shown, 0)["unchanged"], abs=2.5)
    with opened_all(page, of_sync(held, summary(**NIGHTS[0]))) as shown:
        assert warnings(shown) == [*words, kept]
        expect(shown.locator("table.syncs tbody tr")).to_contain_text("unchanged 120, unsent 400")


def test_a_limit_holds_a_run_from_which_nobody_is_missing(page: Page) -> None:
    held = summary(**{**HELD, "exceeded": [NEW], "kept": 0, "kept_reason": None})
    with opened(page, of_sync([Instance(held, "failed")])) as shown:
        assert warnings(shown) == [f"Held by a limit: {NEW}"]


def test_why_else_contacts_were_kept_stands_beside_the_limits(page: Page) -> None:
    held = summary(**{**HELD, "kept": 91, "kept_reason": f"refused; {MISSING}; {NEW}"})
    with opened(page, of_sync([Instance(held, "failed")])) as shown:
        assert warnings(shown)[2:] == ["91 contacts should have been removed, and were not: refused"]


def test_a_plan_says_what_would_hold_a_run_and_is_not_taken_for_one(page: Page) -> None:
    words = [f"A run would be held by a limit: {MISSING}", f"A run would be held by a limit: {NEW}"]
    kept = {**PLAN, "removed": 0, "kept": 1, "kept_reason": "the rows are not whole", "exceeded": []}
    would_keep = ["1 contact should be removed, and would be kept: the rows are not whole"]
    with opened(page, of_sync(summary(**PLAN), summary(**kept))) as shown:
        assert (warnings(shown), warnings(shown, 1)) == (words, would_keep)
    for plan, expected in ((PLAN, words), (kept, would_keep)):
        with opened_all(page, of_sync(summary(**plan))) as shown:
            row = shown.locator("table.syncs tbody tr")
            expect(row).to_contain_text("dry run, nothing was sent added 400, unchanged 120")
            assert warnings(shown) == expected
            # Red is for what went wrong.
            expect(row.locator(".bad")).to_have_count(0)


def test_what_a_part_planned_hides_nothing_that_another_did(page: Page) -> None:
    parts = [Instance(summary(**PLAN), "success", 0), Instance(summary(**HELD), "failed", 1)]
    with opened(page, of_sync(parts)) as shown:
        # The parts come in the order of their answers.
        assert sorted(words.split(":")[0] for words in warnings(shown)) == [
            "90 contacts should have been removed, and were not",
            *["A run would be held by a limit"] * 2,
            *["Held by a limit"] * 2,
        ]
        expect(shown.locator(".warning.bad")).to_have_count(5)


def test_a_mapped_task_says_which_list_is_held_and_not_more_than_a_person_reads(page: Page) -> None:
    def part(number: int, exceeded: list[str]) -> Instance:
        held = {**HELD, "list_name": f"List {number}", "exceeded": exceeded, "kept_reason": "; ".join(exceeded)}
        return Instance(summary(**held), "failed", number)

    with opened(page, of_sync([part(0, [MISSING]), part(1, []), part(2, [NEW])])) as shown:
        assert set(warnings(shown)[:2]) == {
            f"Held by a limit, list List 0: {MISSING}",
            f"Held by a limit, list List 2: {NEW}",
        }
    with opened(page, of_sync([part(number, [MISSING]) for number in range(40)])) as shown:
        assert len(warnings(shown)) == 7
        assert warnings(shown)[5:] == ["and by 35 more", "3,600 contacts should have been removed, and were not"]


def test_a_name_in_the_legend_takes_its_bars_away_but_no_number(page: Page) -> None:
    with opened(page, of_sync(*(summary(**night) for night in NIGHTS))) as shown:
        before = widths(shown, 0)
        button = shown.get_by_role("button", name="unchanged")
        button.press("Enter")
        after = widths(shown, 0)
        assert "unchanged" not in after
        assert after["added"] >= before["added"]
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(button).to_be_focused()
        assert table(shown)[0]["unchanged"] == "150"
        button.press("Enter")
        assert widths(shown, 0) == before


def test_what_a_summary_does_not_have_is_absent_and_not_zero(page: Page) -> None:
    with opened(page, of_sync(summary(added=3))) as shown:
        assert not {"unchanged", "removed", "opted out", "list", "skipped", "other"} & table(shown)[0].keys()
        expect(shown.locator("#size")).to_have_count(0)
    with opened(page, of_sync(summary(**NIGHTS[0]), summary(added=3, skipped=2, other=1), {"read": 4})) as shown:
        newest, old, bare = table(shown)
        assert (newest["unchanged"], old["unchanged"], old["list"]) == ("150", "–", "–")
        assert (newest["skipped"], old["skipped"], old["other"]) == ("0", "2", "1")
        assert (bare["read"], bare["added"], bare["requests"], bare["duration"]) == ("4", "–", "–", "–")


def test_a_task_that_removes_shows_what_it_removed(page: Page) -> None:
    erased = summary(removed=5, absent=1, kept=1, forgotten=5, invalid=2)
    with opened(page, of_sync({**erased, "read": 9})) as shown:
        (row,) = table(shown)
        shown_counts = {name: row[name] for name in ("read", "removed", "absent", "kept", "invalid")}
        assert shown_counts == {"read": "9", "removed": "5", "absent": "1", "kept": "1", "invalid": "2"}
        assert not {"added", "updated", "list"} & row.keys()
        assert widths(shown, 0).keys() == {"removed", "absent", "kept", "invalid"}
        expect(shown.get_by_text("1 contact should have been removed, and was not")).to_be_visible()


def test_the_size_of_the_list_leaves_out_what_was_only_a_plan(page: Page) -> None:
    plan = {**summary(**NIGHTS[0]), "dry_run": True, "snapshot_after": 7}
    with opened(page, of_sync(plan, summary(**NIGHTS[1]))) as shown:
        expect(shown.get_by_text("dry run, nothing was sent")).to_be_visible()
        expect(shown.locator("svg circle")).to_have_count(1)


def test_mapped_instances_are_added_up(page: Page) -> None:
    parts = [
        Instance(
            summary(list_name=f"List {n}", added=n, invalid=1, requests=2, duration_seconds=n, reasons={"x": 1}),
            "success",
            n,
        )
        for n in range(150)
    ]
    parts[7] = Instance(None, "failed", 7)
    parts[8] = Instance(summary(added=8, kept=3, kept_reason="why"), "failed", 8)
    with opened(page, of_sync(parts)) as shown:
        (row,) = table(shown)
        assert row["added"] == f"{sum(range(150)) - 7:,}"
        assert (row["invalid"], row["requests"], row["duration"]) == ("148", "297", "2 min 29 s")
        expect(shown.get_by_text("failed: 2 of 150")).to_be_visible()
        expect(shown.get_by_text("149 of 150 parts counted")).to_be_visible()
        expect(shown.get_by_text("3 contacts should have been removed")).to_be_visible()
        assert shown.locator("#reasons td").all_inner_texts() == ["148", "148"]


def test_parts_of_different_operations_are_not_added_up(page: Page) -> None:
    counted = [
        summary(operation="sync", added=5, unchanged=7),
        summary(operation="delete", removed=3, absent=1),
        summary(operation="sync", added=2, unchanged=1),
    ]
    parts = [Instance(one, "success", number) for number, one in enumerate(counted)]
    with opened(page, of_sync(parts)) as shown:
        (row,) = table(shown)
        assert (row["added"], row["unchanged"]) == ("7", "8")
        assert "absent" not in row
        expect(shown.get_by_text("2 of 3 parts counted")).to_be_visible()


def test_a_part_without_a_summary_leaves_the_size_of_all_unknown(page: Page) -> None:
    def both(*summaries: dict[str, Any] | None) -> list[Instance]:
        states = ["success" if one else "failed" for one in summaries]
        return [Instance(one, state, n) for n, (one, state) in enumerate(zip(summaries, states, strict=True))]

    one, other = (
        summary(list_name=name, unchanged=100, snapshot_before=100, snapshot_after=100) for name in ("A", "B")
    )
    with opened(page, of_sync(both(one, other), both(one, None), both(one, other))) as shown:
        assert [row["list"] for row in table(shown)] == ["200", "–", "200"]
        expect(shown.locator("svg circle")).to_have_count(2)
        expect(shown.get_by_text("Lists A, B ·")).to_be_visible()


def test_no_minute_has_sixty_seconds(page: Page) -> None:
    words = {
        0: "0.0 s",
        59.94: "59.9 s",
        59.96: "1 min 0 s",
        119.7: "2 min 0 s",
        3599.4: "59 min 59 s",
        3599.6: "1 h 0 min",
        7199: "2 h 0 min",
    }
    with opened(page, of_sync(*(summary(added=1, duration_seconds=seconds) for seconds in words))) as shown:
        assert [row["duration"] for row in table(shown)] == list(words.values())


def test_runs_without_a_summary_say_so(page: Page) -> None:
    states = ["failed", "running", "upstream_failed", None, "skipped", "a state of tomorrow"]
    with opened(page, of_sync(*([Instance(None, state)] for state in states), [])) as shown:
        rows = shown.locator("tbody.run th").all_inner_texts()
        words = ["running", "upstream failed", "not started", "skipped", "a state of tomorrow", "did not run"]
        assert [row.split("\n")[1] for row in rows] == ["failed · log", *words]
        expect(shown.get_by_text("failed without a summary")).to_have_count(1)
        expect(shown.get_by_text("no summary")).to_have_count(len(words))
    with opened(page, FakeAirflow({"customers": {"sync": []}})) as shown:
        expect(shown.get_by_text("The Dag has not run yet.")).to_be_visible()


def test_a_failed_run_leads_to_its_log(page: Page) -> None:
    alone = [Instance(None, "failed")]
    parts = [Instance(summary(added=1), "success", 0), Instance(None, "failed", 1), Instance(None, "failed", 2)]
    for run, path in ((alone, "tasks/sync"), (parts, "tasks/sync/mapped/1")):
        airflow = of_sync(run)
        with opened(page, airflow) as shown:
            address = shown.get_by_role("link", name="log", exact=True).evaluate("link => link.href")
            assert address.removeprefix(f"{airflow.url}/dags/customers/runs/").split("/", 1)[1] == path
        with opened_all(page, airflow) as shown:
            row = shown.locator("table.syncs tbody tr")
            expect(row).to_contain_text("failed · log")
            if run is alone:
                expect(row).to_contain_text("failed without a summary")
            row.get_by_role("link", name="log", exact=True).click()
            page.wait_for_url(f"**/dags/customers/runs/*/{path}")


def without_slashes(name: str) -> str:
    """Airflow itself finds no Dag and no run with a slash in its id, so none gets that far."""
    return name.replace("/", "|")


def test_what_comes_from_a_run_is_text_and_never_markup(page: Page) -> None:
    runs = [
        Run(
            [Instance(summary(added=2, invalid=1, kept=1, kept_reason=hostile, list_name=hostile, tag_name=hostile,
                              rejects_path=hostile, changes_path=hostile, exceeded=[f"{hostile}!", hostile],
                              dry_run=number % 2 == 1, reasons={hostile: 1}), hostile)],
            f"{without_slashes(hostile)}{number}",
            START,
        )
        for number, hostile in enumerate(HOSTILE)
    ]  # fmt: skip
    names = [without_slashes(hostile) for hostile in HOSTILE if "\0" not in hostile]
    airflow = FakeAirflow({name: {name: runs} for name in names})
    for hostile in airflow.dags:
        with opened(page, airflow, hostile, hostile) as shown:
            expect(shown.get_by_role("heading", level=1)).to_have_text(f"{hostile} in {hostile}")
            assert len(table(shown)) == len(HOSTILE)
            assert shown.locator("#reasons tbody th").all_text_contents() == HOSTILE
            for number, sentence in enumerate(HOSTILE):
                held = "A run would be held by a limit" if number % 2 else "Held by a limit"
                assert warnings(shown, number)[:2] == [f"{held}: {sentence}!", f"{held}: {sentence}"]
            assert shown.locator("body").locator("img, script, b, [onerror], [onload]").count() == 0
            addresses = shown.locator("a").evaluate_all("links => links.map((link) => link.href)")
            assert [address for address in addresses if not address.startswith(f"{airflow.url}/")] == []
    for newest, hostile in enumerate(HOSTILE):
        airflow.dags = {name: {name: [runs[newest]]} for name in names}
        with opened_all(page, airflow) as shown:
            assert sorted(shown.locator("table.lines tbody th").all_text_contents()) == sorted(airflow.dags)
            for row in range(len(names)):
                assert [sentence.split(": ", 1)[1] for sentence in warnings(shown, row)[:2]] == [f"{hostile}!", hostile]
            assert shown.locator("body").locator("img, script, b, [onerror], [onload]").count() == 0


@pytest.mark.parametrize("dag_id", [".", ".."])
def test_a_name_is_never_a_way_to_another_address(page: Page, dag_id: str) -> None:
    airflow = of_sync(summary(added=1))
    with opened(page, airflow, dag_id, "sync") as shown:
        expect(shown.get_by_role("alert")).to_contain_text("knows no such Dag")
        assert [path for path in airflow.asked if not path.startswith("plugins?")] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*ListSummary().as_xcom(), "unknown"])
XCOMS = JSON | st.dictionaries(KEYS, JSON).map(lambda values: {**summary(**NIGHTS[0]), **values}) | JSON.map(json.dumps)


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.generate],  # a smaller failure would take minutes to find, and say no more
)
@given(values=st.lists(XCOMS, min_size=20, max_size=30))
def test_whatever_an_xcom_holds_its_run_is_shown(page: Page, values: list[Any]) -> None:
    with opened(page, of_sync(*([Instance({"__": value} if value is None else value)] for value in values))) as shown:
        expect(shown.locator("tbody.run")).to_have_count(len(values))
        expect(shown.get_by_role("alert")).to_have_count(0)
        for row in table(shown):
            for name, number in row.items():
                assert re.fullmatch(r"–|[\d,.]+( \([\d,]+ retries\)| s| min \d+ s| h \d+ min)?", number), (name, number)
        for run in range(len(values)):
            assert all(0 <= width <= 1280 for width in widths(shown, run).values())


def test_more_runs_come_on_demand_and_none_twice(page: Page) -> None:
    airflow = of_sync(*(summary(added=number) for number in range(75)))
    with opened(page, airflow) as shown:
        assert [row["added"] for row in table(shown)] == [str(number) for number in range(30)]
        assert len(airflow.asked) <= 40
        # A run has begun meanwhile, so that all others have moved on by one.
        airflow.dags["customers"]["sync"] = [
            Run([Instance(summary())], "new", START.replace(hour=23)),
            *airflow.dags["customers"]["sync"],
        ]
        for expected in (60, 75):
            shown.get_by_role("button", name="More runs").click()
            settled(shown)
            expect(shown.locator("tbody.run")).to_have_count(expected if expected == 75 else 59)
        assert [row["added"] for row in table(shown)] == [str(number) for number in range(75)]
        expect(shown.get_by_role("button", name="More runs")).to_be_hidden()


def test_many_mapped_instances_are_read_a_few_runs_at_a_time(page: Page) -> None:
    runs = [[Instance(summary(added=1), "success", index) for index in range(250)] for _ in range(6)]
    airflow = of_sync(*runs)
    with opened(page, airflow) as shown:
        expect(shown.locator("tbody.run")).to_have_count(2)
        assert [row["added"] for row in table(shown)] == ["250", "250"]
        assert len(airflow.asked) < 600
        assert airflow.most_at_once <= 6
        shown.get_by_role("button", name="More runs").click()
        settled(shown)
        assert [row["added"] for row in table(shown)] == ["250"] * 4


@pytest.mark.parametrize(
    ("where", "status"),
    [
        *(("dags/customers/dagRuns", status) for status in (401, 403, 404, 429, 500)),
        *(("dags/customers/dagRuns/~/taskInstances", status) for status in (403, 500)),
    ],
)
def test_when_airflow_refuses_the_page_says_why_and_shows_no_number(page: Page, where: str, status: int) -> None:
    airflow = of_sync(summary(added=7))
    airflow.refuses = lambda path: status if path == where else None
    words = {
        401: "You are not logged in",
        403: "Airflow does not let you see this",
        404: "Airflow knows no such Dag or task, or does not let you see it",
    }
    with opened(page, airflow) as shown:
        alert = shown.get_by_role("alert")
        expect(alert).to_contain_text(words.get(status, f"Airflow answered HTTP {status}"))
        assert shown.locator("td, .segment").count() == 0
        if status >= 429:
            airflow.refuses = lambda _: None
            alert.get_by_role("button", name="Try again").click()
            expect(shown.locator("tr.numbers")).to_have_count(1)
            expect(alert).to_have_count(0)


def test_one_result_that_cannot_be_read_is_no_zero(page: Page) -> None:
    airflow = of_sync(summary(added=1), summary(added=2), summary(added=3))
    broken = airflow.dags["customers"]["sync"][1].run_id
    airflow.refuses = lambda path: 500 if path.endswith("return_value") and broken in path else None
    with opened(page, airflow) as shown:
        assert [row["added"] for row in table(shown)] == ["1", "3"]
        expect(shown.locator("tbody.run").nth(1)).to_contain_text("HTTP 500: not all counts of this run could be read")


def test_who_may_not_read_xcoms_sees_the_runs_and_is_told(page: Page) -> None:
    airflow = of_sync(summary(added=1))
    airflow.refuses = lambda path: 403 if "xcomEntries" in path else None
    with opened(page, airflow) as shown:
        expect(shown.get_by_role("status")).to_contain_text("your role may not read XComs")
        expect(shown.locator("tbody.run")).to_contain_text("success")
        # There may be a summary: nobody knows.
        expect(shown.get_by_text("summary")).to_have_count(0)
        assert table(shown) == []


@pytest.mark.parametrize("root", ["", "/airflow"])
def test_who_may_not_see_plugins_sees_the_page_by_itself(page: Page, root: str) -> None:
    airflow = of_sync(summary(added=1))
    airflow.root = root
    airflow.refuses = lambda path: 403 if path == "plugins" else None
    with serving(airflow):
        page.goto(airflow.history_url("customers", "sync"))
        expect(page.locator("tr.numbers")).to_have_count(1)
        page.get_by_role("link", name="All syncs").click()
        expect(page.get_by_text("These are all that you may see.")).to_be_visible()
        page.get_by_role("link", name="sync", exact=True).click()
        expect(page.locator("tr.numbers")).to_have_count(1)
        assert page.url == airflow.history_url("customers", "sync")


def test_a_base_url_may_have_a_path(page: Page) -> None:
    airflow = of_sync(summary(added=1), summary(added=2))
    airflow.root = "/teams/sms/airflow"
    with opened(page, airflow) as shown:
        assert [row["added"] for row in table(shown)] == ["1", "2"]
        shown.get_by_role("link", name="All syncs").click()
        shown.get_by_role("link", name="sync", exact=True).click()
        expect(shown.get_by_role("heading", name="sync in customers")).to_be_visible()
        run_id = airflow.dags["customers"]["sync"][0].run_id
        shown.locator("tbody.run").first.get_by_role("link").first.click()
        page.wait_for_url(re.compile(f"^{re.escape(airflow.url)}/dags/customers/runs/{run_id.replace('+', '.*')[:20]}"))


def test_a_link_opens_a_window_of_its_own_when_asked_to(page: Page) -> None:
    airflow = of_sync(summary(added=1))
    with opened(page, airflow) as shown:
        for options in ({"modifiers": ["ControlOrMeta"]}, {"button": "middle"}):
            with page.context.expect_page() as other:
                shown.locator("tbody.run").get_by_role("link").first.click(**options)
            other.value.wait_for_url(re.compile("/dags/customers/runs/"))
            other.value.close()
        assert page.url == airflow.history_url("customers", "sync").replace("/octopush/", "/plugin/octopush")


@pytest.mark.parametrize(("theme", "is_dark"), [("light", False), ("dark", True)])
def test_it_is_light_or_dark_as_airflow_is(page: Page, theme: str, is_dark: bool) -> None:
    airflow = of_sync(summary(added=1))
    airflow.theme = theme
    with opened(page, airflow) as shown:
        brightness = "b => getComputedStyle(b).color.match(/\\d+/g).reduce((a, c) => a + Number(c), 0)"
        assert (shown.locator("body").evaluate(brightness) > 384) is is_dark
        page.evaluate(
            "document.documentElement.className = ''" if is_dark else "document.documentElement.className = 'dark'"
        )
        page.wait_for_timeout(100)
        assert (shown.locator("body").evaluate(brightness) > 384) is not is_dark


FITS = "one => one.scrollWidth <= one.clientWidth"


@pytest.mark.parametrize(("width", "name"), [(390, "d" * 200), (1280, "daily")])
def test_what_held_a_run_is_read_without_scrolling_sideways(page: Page, width: int, name: str) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    held = {**HELD, "exceeded": [MISSING, "x" * 2000], "kept_reason": "y" * 2000}
    runs = history([Instance(summary(**held), "failed")], summary(**PLAN))
    airflow = FakeAirflow({"customers": {"sync": runs}, name: {name: runs}})
    with opened(page, airflow) as shown:
        assert shown.locator("html").evaluate(FITS)
        expect(shown.locator(".warning")).to_have_count(5)
    with opened_all(page, airflow) as shown:
        assert shown.locator("html").evaluate(FITS)
        assert shown.locator("table.syncs").evaluate(FITS)
        row = shown.get_by_role("row").filter(has=shown.get_by_role("rowheader", name="customers"))
        expect(row.get_by_role("cell").last).to_contain_text(f"Held by a limit: {MISSING}")


def test_who_has_no_mouse_reaches_the_run_that_was_held(page: Page) -> None:
    airflow = of_sync([Instance(summary(**HELD), "failed")])
    with opened_all(page, airflow) as shown:
        links = shown.locator("table.syncs tbody a")
        links.nth(0).focus()
        page.keyboard.press("Tab")
        expect(links.nth(1)).to_be_focused()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        shown = page.frame_locator("iframe")
        expect(shown.get_by_role("cell").filter(has_text=f"Held by a limit: {MISSING}")).to_be_visible()


WIDEST: dict[str, Any] = {
    **dict.fromkeys(ListSummary.outcomes, 1_234_567), "retries": 1234, "duration_seconds": 7199, "requests": 12345,
    "removed": 234_567, "kept": 345_678, "snapshot_before": 12_345_678, "snapshot_after": 23_456_789,
    "reasons": {"phone number is not valid in any region it may be of": 1_234_567},
}  # fmt: skip


@pytest.mark.parametrize("width", [195, 390, 640, 960, 1280])
def test_no_column_leaves_the_screen_at_any_width_or_zoom(page: Page, width: int) -> None:
    """A zoom of 200 % halves the width: 640 is a laptop's then, and 195 a telephone's."""
    page.set_viewport_size({"width": width, "height": 700})
    runs = history([Instance(summary(**WIDEST), "failed")], summary(**NIGHTS[0]))
    airflow = FakeAirflow({"newsletter_of_all_countries": {"keep_subscribers_in_step": runs}})
    with opened(page, airflow, *next((dag, task) for dag, tasks in airflow.dags.items() for task in tasks)) as shown:
        assert shown.locator("html").evaluate(FITS)
        expect(shown.locator("#size text").first).to_have_css("font-size", "11px")
        shown.get_by_role("button", name="unchanged").press("Enter")
        assert shown.locator("html").evaluate(FITS)
        # Turned round.
        page.set_viewport_size({"width": 700, "height": width})
        page.set_viewport_size({"width": width, "height": 700})
        assert shown.locator("html").evaluate(FITS)
    with opened_all(page, airflow) as shown:
        assert shown.locator("html").evaluate(FITS)


def test_columns_stand_below_each_other_where_there_is_room_and_else_each_number_has_its_name(page: Page) -> None:
    with opened(page, of_sync(*(summary(**night) for night in NIGHTS))) as shown:
        expect(shown.get_by_role("columnheader", name="unchanged")).to_be_visible()
        page.set_viewport_size({"width": 390, "height": 700})
        expect(shown.get_by_role("columnheader", name="unchanged")).to_be_hidden()
        number = shown.locator("tr.numbers td").first
        expect(number).to_be_visible()
        assert number.evaluate("c => getComputedStyle(c, '::before').content").startswith('"read')
        page.set_viewport_size({"width": 1280, "height": 700})
        expect(shown.get_by_role("columnheader", name="unchanged")).to_be_visible()


def framed(page: Page) -> Frame:
    (inner,) = [frame for frame in page.frames if frame.parent_frame]
    return inner


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_to_mend(page: Page, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    reasons = {"phone number missing": 3}
    runs = history(
        [Instance(summary(**HELD, reasons=reasons), "failed")],
        [Instance(None, "failed")],
        [Instance(None, "running")],
        summary(**PLAN),
        *(summary(**night) for night in NIGHTS),
    )
    airflow = FakeAirflow({"customers": {"sync": runs, "never": []}, "late": {"sync": runs[1:]}})
    airflow.theme = theme
    with opened(page, airflow) as shown:
        assert violations(framed(page)) == []
        shown.get_by_role("button", name="unchanged").press("Enter")
        assert violations(framed(page)) == []
    with opened_all(page, airflow):
        assert violations(framed(page)) == []
    airflow.refuses = lambda path: 500 if path.endswith("dagRuns") else None
    with opened(page, airflow):
        assert violations(framed(page)) == []


def test_all_syncs_are_only_all_when_each_has_been_read(page: Page) -> None:
    airflow = FakeAirflow({f"sync_{number:03}": {"load": history(summary(added=1))} for number in range(10)})
    airflow.seconds = 0.3
    with serving(airflow):
        page.goto(f"{airflow.url}/plugin/octopush")
        shown = page.frame_locator("iframe")
        # Its own words while it reads, and something in each cell.
        expect(shown.get_by_role("status")).to_have_text("Reading the newest runs …")
        assert shown.locator("table.syncs tbody td").get_by_text("…").count() > 0
        expect(shown.get_by_role("status")).to_contain_text("These are all that you may see.")
        assert shown.locator("table.syncs tbody tr td:last-child").all_inner_texts() == ["added 1"] * 10


def test_all_syncs_are_found_and_nothing_else(page: Page) -> None:
    dags: dict[str, dict[str, Sequence[Run]]] = {
        f"sync_{number:03}": {"load": history(summary(added=number))} for number in range(3)
    }
    airflow = FakeAirflow({**dags, "zz_never_run": {"load": []}}, others=[f"etl_{number:03}" for number in range(150)])
    with serving(airflow):
        page.goto(f"{airflow.url}/plugin/octopush")
        shown = page.frame_locator("iframe")
        expect(shown.get_by_text("Looked through 100 of 154 Dags")).to_be_visible()
        # Those that have run are there already, however many Dags there are.
        rows = shown.locator("table.lines tbody th")
        assert rows.all_inner_texts() == ["sync_000", "sync_001", "sync_002"]
        shown.get_by_role("button", name="Look through 54 more").click()
        expect(shown.get_by_text("These are all that you may see.")).to_be_visible()
        assert rows.all_inner_texts() == ["sync_000", "sync_001", "sync_002", "zz_never_run"]
        expect(shown.locator("table.lines tbody tr").nth(2)).to_contain_text("added 2")
        assert airflow.most_at_once <= 6


def test_one_dag_that_cannot_be_looked_through_hides_no_other(page: Page) -> None:
    airflow = FakeAirflow({f"sync_{number:03}": {"load": history(summary(added=number))} for number in range(30)})
    airflow.refuses = lambda path: {
        "dags/sync_007/tasks": 500,
        "dags/~/dagRuns/~/taskInstances/~/xcomEntries": 500,
    }.get(path)
    with serving(airflow):
        page.goto(f"{airflow.url}/plugin/octopush")
        shown = page.frame_locator("iframe")
        expect(shown.get_by_role("status")).to_contain_text("Not looked through: sync_007 (Airflow answered HTTP 500).")
        assert len(shown.locator("table.lines tbody th").all_inner_texts()) == 29


def test_when_airflow_is_gone_in_the_middle_it_is_said_once_and_stays(page: Page) -> None:
    airflow = FakeAirflow({f"sync_{number:03}": {"load": []} for number in range(60)})
    airflow.refuses = lambda path: 401 if path.endswith("tasks") and path > "dags/sync_020" else None
    with serving(airflow):
        page.goto(f"{airflow.url}/plugin/octopush")
        shown = page.frame_locator("iframe")
        expect(shown.get_by_role("alert")).to_contain_text("You are not logged in")
        page.wait_for_timeout(500)
        expect(shown.get_by_role("alert")).to_have_count(1)
        expect(shown.get_by_role("status")).not_to_contain_text("Looked through")


def test_only_the_runs_of_tasks_that_are_looked_at_are_asked_for(page: Page) -> None:
    tasks = {f"load_{number:03}": history(summary(added=number)) for number in range(300)}
    airflow = FakeAirflow({"many": dict(tasks)})
    with serving(airflow):
        page.goto(f"{airflow.url}/plugin/octopush")
        shown = page.frame_locator("iframe")
        expect(shown.locator("table.lines tbody tr")).to_have_count(300)
        expect(shown.locator("table.lines tbody tr").first).to_contain_text("no rows")
        assert len(airflow.asked) < 250
        last = shown.locator("table.lines tbody tr").last
        last.scroll_into_view_if_needed()
        expect(last).to_contain_text("added 299")


def test_no_sync_at_all_is_said(page: Page) -> None:
    with serving(FakeAirflow(others=["etl"])) as airflow:
        page.goto(f"{airflow.url}/plugin/octopush")
        expect(page.frame_locator("iframe").get_by_text("None of the Dags that you may see")).to_be_visible()


def test_it_asks_nobody_but_airflow_and_changes_nothing(page: Page) -> None:
    asked: list[tuple[str, str]] = []
    page.on("request", lambda request: asked.append((request.method, request.url)))
    airflow = of_sync(summary(added=1))
    with opened(page, airflow):
        pass
    assert {method for method, _ in asked} == {"GET"}
    assert all(url.startswith(f"{airflow.url}/") for _, url in asked if not url.startswith("about:"))
