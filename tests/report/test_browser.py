"""The page in a real browser: it renders, nothing overlaps, nothing complains, controls work, hostile text is text."""

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ramify import Run
from ramify.report.comparison import write_comparison
from ramify.report.page import write_report

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

# Texts of a figure that touch each other, and parts of the page that stand over its edge.
OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg")) {
    const boxes = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
    for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
      const [a, p] = boxes[i], [b, q] = boxes[j];
      const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (x > 1 && y > 3) found.push(`${svg.getAttribute("aria-label")}: ${a} / ${b}`);
    }
    for (const [name, box] of boxes) {
      const own = svg.getBoundingClientRect();
      if (box.left < own.left - 2 || box.right > own.right + 6) found.push(`outside: ${name}`);
    }
  }
  const cards = [...document.querySelectorAll(".card, h2, p, nav")].filter((c) => c.offsetParent);
  for (const card of cards) {
    const box = card.getBoundingClientRect();
    if (box.right > innerWidth + 1 || box.left < 0) found.push(`beyond the page: ${card.textContent.slice(0, 40)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, known_run_once: Run) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    comparison = write_comparison([known_run_once, known_run_once], folder / "comparison.html")
    return {"report": write_report(known_run_once, folder / "report.html"), "comparison": comparison}


def opened(browser: "playwright.Browser", path: Path, width: int = 1280, **options: str) -> tuple:
    """The page, and what it complains of."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
    page.goto(path.as_uri())
    return page, complaints


@pytest.mark.parametrize("name", ["report", "comparison"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overlaps_or_complains(
    browser: "playwright.Browser", pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, pages[name], width, color_scheme=scheme)
    page.evaluate("() => document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate(OVERLAPS) == []
    assert complaints == []
    background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)")
    page.close()


def test_hostile_completions_are_shown_as_text(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    page, complaints = opened(browser, pages["report"])
    assert page.locator("script").count() == 1
    assert page.locator(".writing b, .writing div, .writing script").count() == 0
    assert "<script>alert('x')</script> & </div><b>\"bold\"</b>" in page.locator(".writing").all_inner_texts()[1]
    assert complaints == []
    page.close()


def test_what_slips_into_the_page_does_not_run(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    """Should escaping ever fail: the page's policy lets no other script run."""
    broken = pages["report"].with_name("broken.html")
    hostile = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    broken.write_text(pages["report"].read_text().replace("<main>", f"<main>{hostile}"))
    page, complaints = opened(browser, broken)
    page.wait_for_timeout(200)
    assert page.title().startswith("ramify: ")
    assert complaints  # the browser says what it refused
    page.close()


def test_controls_work(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    page, complaints = opened(browser, pages["report"])
    controls = page.locator("[data-for=patterns-3]")
    shown = page.locator("#patterns-3 > li:visible")
    whole = shown.count()
    controls.get_by_role("button", name="right-heavy").focus()
    page.keyboard.press("Enter")
    assert 0 < shown.count() < whole
    assert {item.get_attribute("data-shape") for item in shown.all()} == {"right-heavy"}
    assert controls.locator("[aria-pressed=true]").first.inner_text() == "right-heavy"
    assert controls.get_by_role("status").inner_text() == f"{shown.count()} of {whole} shown"
    controls.get_by_role("button", name="all shapes").click()
    controls.get_by_role("button", name="by success").click()
    success = [float(item.get_attribute("data-success")) for item in shown.all()]
    assert success == sorted(success, reverse=True)
    controls.get_by_role("button", name="by acquisition").click()
    ranks = [int(item.get_attribute("data-rank")) for item in shown.all()]
    assert ranks == sorted(ranks)
    assert complaints == []
    page.close()


def test_a_figure_is_saved(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    """SVG, PNG and CSV, each under the name of its figure; nothing is asked of a network."""
    page, complaints = opened(browser, pages["report"])
    files = page.locator("#figure-success-test-n3 .files")
    kept = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as found:
            files.get_by_text(kind, exact=True).click()
        assert found.value.suggested_filename == f"success-test-n3.{kind.lower()}"
        kept[kind] = Path(found.value.path()).read_bytes()
    assert kept["SVG"].startswith(b"<svg xmlns=")
    assert kept["CSV"].startswith(b"metric,set,step")
    width, height = (int.from_bytes(kept["PNG"][at : at + 4]) for at in (16, 20))
    assert kept["PNG"].startswith(b"\x89PNG") and width >= 720 and height >= 440
    assert complaints == []
    page.close()


def test_values_appear_near_a_point(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["report"])
    point = page.locator("#figure-success-test-n3 .drawing .dot").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    near = [box["x"] + box["width"] / 2 + 5, box["y"] + box["height"] / 2 - 5]  # its radius is below 3
    title = page.evaluate("([x, y]) => document.elementFromPoint(x, y).querySelector('title')?.textContent", near)
    assert "step 0: 0.0% [" in str(title)
    page.close()


@pytest.mark.parametrize("width", [400, 760, 1280])
def test_rows_of_figures_leave_no_gap(browser: "playwright.Browser", pages: dict[str, Path], width: int) -> None:
    """The last figure of each row ends where the section ends."""
    page, _ = opened(browser, pages["report"], width)
    gaps = page.evaluate(
        """() => [...document.querySelectorAll(".figures")].flatMap((figures) => {
      const rows = {};
      for (const one of figures.children) {
        const box = one.getBoundingClientRect();
        rows[box.top] = Math.max(rows[box.top] ?? 0, box.right);
      }
      const end = figures.getBoundingClientRect().right;
      return Object.values(rows).filter((right) => end - right > 1);
    })"""
    )
    assert gaps == []
    page.close()


def test_without_script_everything_is_there(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["report"].as_uri())
    assert page.locator("#patterns-3 > li").count() >= 18
    assert not page.locator("[data-for=patterns-3]").is_visible()
    context.close()


def test_it_prints(browser: "playwright.Browser", pages: dict[str, Path], tmp_path: Path) -> None:
    page, _ = opened(browser, pages["report"])
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.close()


def test_a_screen_reader_finds_its_way(browser: "playwright.Browser", pages: dict[str, Path]) -> None:
    """Every figure has a name, headings go down one by one, and the first key goes to the answer."""
    page, _ = opened(browser, pages["report"])
    assert page.locator("svg:not([aria-label]):not([aria-hidden])").count() == 0
    levels = page.evaluate("() => [...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the abstract"
    page.close()
