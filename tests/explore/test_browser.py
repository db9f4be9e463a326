"""The explorer in a real browser: from a curve to a tree, two checkpoints of a puzzle, a run that is being written."""

import json
import shutil
import threading
import time
from collections.abc import Iterator

import pytest

from ramify import Run
from ramify.explore.source import Source

playwright = pytest.importorskip("playwright.sync_api")
uvicorn = pytest.importorskip("uvicorn")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def address(known_run: Run) -> Iterator[str]:
    from ramify.explore.server import application

    app = application(Source([known_run]), wait=0.1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def page(browser: "playwright.Browser", address: str) -> Iterator["playwright.Page"]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, base_url=address)
    opened.set_default_timeout(15_000)
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    yield opened
    opened.close()
    assert not complaints


def test_a_point_of_a_curve_leads_to_its_completions_and_their_trees(page: "playwright.Page") -> None:
    page.goto("/curves?by=n&set=test")
    page.locator("svg a[aria-label*='step 4']").first.click()
    page.wait_for_url("**/completions?**step=4**")
    page.locator("select[name=verdict]").select_option("correct")
    page.wait_for_url("**verdict=correct**")
    assert set(page.locator("td .tag").all_inner_texts()) == {"correct"}
    page.locator("tbody tr a").first.click()
    page.wait_for_url("**/puzzle?**")
    page.locator("article", has_text="correct").locator("summary").first.click()
    assert page.locator(".tried svg[aria-label^='tree of']").first.is_visible()
    assert page.locator("mark.hit").first.is_visible()


def test_the_worst_right_heavy_pattern_is_two_clicks_away(page: "playwright.Page") -> None:
    page.goto("/")
    page.get_by_role("link", name="Structure").click()
    page.wait_for_url("**/structure?**")
    page.get_by_role("row", name="right-heavy").get_by_role("link", name="its wrong completions").click()
    page.wait_for_url("**/completions?**wrong=yes**")
    rows = page.locator("tbody tr")
    assert rows.count() and set(page.locator("td:nth-child(3) span.small").all_inner_texts()) == {"right-heavy"}
    assert len(set(page.locator("td:nth-child(3) code").all_inner_texts())) == 1
    assert "correct" not in page.locator("td .tag").all_inner_texts()


def test_a_page_of_completions_is_copied(page: "playwright.Page") -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/completions?step=4&set=skills&verdict=correct")
    page.get_by_role("button", name="Copy this page as jsonl").click()
    page.get_by_text("copied", exact=True).wait_for()
    rows = [json.loads(line) for line in page.evaluate("navigator.clipboard.readText()").splitlines()]
    assert len(rows) == page.locator("tbody tr").count() > 0 and {row["verdict"] for row in rows} == {"correct"}


def test_two_checkpoints_of_a_puzzle_stand_side_by_side(page: "playwright.Page") -> None:
    page.goto("/structure?n=3&step=4")
    page.locator(".patterns a.plain").first.click()
    page.wait_for_url("**/pattern?**")
    page.locator("table a").first.click()
    page.wait_for_url("**/puzzle?**")
    columns = page.locator(".columns section")
    assert columns.count() == 2
    first, second = columns.nth(0).bounding_box(), columns.nth(1).bounding_box()
    assert first and second and first["y"] == second["y"] and second["x"] >= first["x"] + first["width"]
    assert "0 of 4 correct" in columns.nth(0).inner_text() and "2 of 4 correct" in columns.nth(1).inner_text()
    assert "Patterns tried" in page.locator(".difference").inner_text()


def test_a_point_of_a_curve_is_reached_with_the_keyboard(page: "playwright.Page") -> None:
    page.goto("/curves?by=n&set=test")
    point = page.locator("svg a[aria-label*='step 4']").first
    page.locator("button", has_text="Show").focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if point.evaluate("point => point === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/completions?**step=4**")


def test_the_step_slider_changes_the_address(page: "playwright.Page") -> None:
    page.goto("/structure?n=3&step=4")
    slider = page.locator(".stepper input")
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_url("**step=0**")
    assert page.locator(".stepper [aria-current]").inner_text() == "0"


def test_a_run_that_is_being_written_shows_up_without_a_reload(page: "playwright.Page", known_run: Run) -> None:
    page.goto("/curves?by=n&set=test")
    page.get_by_text("live", exact=True).wait_for()
    page.evaluate("window.loadedOnce = true")
    assert page.locator("svg a[aria-label*='step 8']").count() == 0
    shutil.copy(known_run.completions_file(1, "test", 4), known_run.completions_file(1, "test", 8))
    page.locator("svg a[aria-label*='step 8']").first.wait_for(state="attached")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"


def test_hostile_completions_are_text(page: "playwright.Page") -> None:
    page.goto("/completions?step=0&text=script")
    assert "<script>alert('x')</script>" in page.locator("td.text").first.inner_text()
    page.locator("tbody tr a").first.click()
    assert "<script>alert('x')</script>" in page.locator("pre.writing").first.inner_text()


@pytest.mark.parametrize("width", [400, 800, 1600])
def test_no_view_scrolls_sideways(page: "playwright.Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/", "/curves", "/structure", "/pattern?pattern=A-B&set=skills", "/completions"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.locator("tbody tr a").first.click()
    page.wait_for_url("**/puzzle?**")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_every_view_works_without_a_script(browser: "playwright.Browser", address: str) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=address)
    page = context.new_page()
    page.goto("/structure?n=3&step=4")
    page.get_by_role("link", name="0", exact=True).click()
    page.wait_for_url("**step=0**")
    page.goto("/completions")
    page.locator("select[name=verdict]").select_option("correct")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**verdict=correct**")
    assert set(page.locator("td .tag").all_inner_texts()) == {"correct"}
    context.close()
