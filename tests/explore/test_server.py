"""The server: pages, files, events, and who may read them."""

import json
import re
import shutil
from html import unescape
from io import BytesIO
from urllib.parse import quote

import polars as pl
import pytest

from ramify import Run
from ramify.explore.source import Source
from ramify.report.links import in_view
from ramify.report.page import view_of
from ramify.report.story import story
from ramify.tables import write_table

starlette = pytest.importorskip("starlette.testclient")
server = pytest.importorskip("ramify.explore.server")


@pytest.fixture
def client(known_run_once: Run) -> "starlette.TestClient":
    return starlette.TestClient(server.application(Source([known_run_once])), base_url="http://127.0.0.1")


def puzzle(run: Run) -> dict:
    return run.puzzles("test").filter(pl.col("pattern").is_not_null()).row(0, named=True)


def test_every_view_answers(client: "starlette.TestClient", known_run_once: Run) -> None:
    one = puzzle(known_run_once)
    name = known_run_once.path.name
    for path, words in (
        ("/", "Success on"),
        ("/curves?by=n,shape_class", "<svg"),
        (f"/structure?run={name}&step=0&n=3", "right-heavy"),
        (f"/pattern?pattern={quote(one['pattern'])}", "Puzzles"),
        (f"/puzzle?set=test&puzzle={one['puzzle_id']}", "Patterns tried"),
        ("/completions?step=4&wrong=yes", "Download all"),
    ):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert words in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe-eval" not in policy


def test_the_links_of_a_report_lead_to_curves(client: "starlette.TestClient", known_run_once: Run) -> None:
    name = known_run_once.path.name
    for section in story(view_of(known_run_once), None).values():
        for figure in section.figures:
            answer = client.get(in_view([name], figure.data))
            assert answer.status_code == 200, figure.name
            assert "<polyline" in answer.text, figure.name


def test_hostile_completions_are_escaped(client: "starlette.TestClient", known_run_once: Run) -> None:
    one = puzzle(known_run_once)
    for path in ("/completions?step=0", f"/puzzle?set=test&puzzle={one['puzzle_id']}"):
        text = client.get(path).text
        assert "&lt;script" in text and "<script>alert" not in text
    text = client.get("/completions", params={"text": '"><script>alert(1)</script>', "pattern": "<b>"}).text
    assert "<script>alert" not in text and "<b>" not in text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/structure?step=77", "step = 77"),
        ("/structure?run=other", "no such run"),
        ("/pattern?pattern=%3Cscript%3E", "not a pattern"),
        ("/puzzle?puzzle=1", "no such puzzle"),
        ("/completions?seed=-1", "seed = -1"),
        ("/puzzle?set=test&puzzle=PUZZLE&at=nowhere", "RUN:SEED:STEP"),
        ("/puzzle?set=../test&puzzle=1", "no puzzles of the set"),
    ],
)
def test_a_bad_address_is_one_sentence(
    client: "starlette.TestClient", known_run_once: Run, path: str, message: str
) -> None:
    answer = client.get(path.replace("PUZZLE", puzzle(known_run_once)["puzzle_id"]))
    assert answer.status_code == 404
    assert message in answer.text and "Traceback" not in answer.text


def test_all_matches_can_be_downloaded(client: "starlette.TestClient") -> None:
    query = "step=4&wrong=no&set=test"
    rows = [json.loads(line) for line in client.get(f"/completions.jsonl?{query}").text.splitlines()]
    table = pl.read_parquet(BytesIO(client.get(f"/completions.parquet?{query}").content))
    sheet = pl.read_csv(client.get(f"/completions.csv?{query}").content)
    assert len(rows) == len(table) == len(sheet) > 0
    assert {row["verdict"] for row in rows} == {"correct"}
    assert table["text"].to_list() == [row["text"] for row in rows]


def test_no_cell_of_a_sheet_is_a_formula() -> None:
    lines = "".join(server._csv(iter([pl.DataFrame({"text": ["=1+1", "fine", "@x"]})])))
    assert lines.splitlines() == ["text", "'=1+1", "fine", "'@x"]


def test_only_reading_is_allowed(client: "starlette.TestClient") -> None:
    assert client.post("/").status_code == 405
    assert client.delete("/completions").status_code == 405


def test_another_host_name_is_refused(client: "starlette.TestClient") -> None:
    assert client.get("/", headers={"host": "attacker.example"}).status_code == 400


def test_beyond_this_machine_a_token_is_needed(known_run_once: Run) -> None:
    app = server.application(Source([known_run_once]), host="0.0.0.0", token="secret")
    client = starlette.TestClient(app, base_url="http://somewhere", follow_redirects=False)
    assert client.get("/").status_code == 403
    assert client.get("/completions.jsonl").status_code == 403
    assert client.get("/?token=wrong").status_code == 403
    entered = client.get("/structure?token=secret&step=4")
    assert entered.status_code == 303 and entered.headers["location"] == "/structure?step=4"
    assert client.get("/structure?step=4").status_code == 200


def test_a_typed_pattern_is_read_in_normal_form(client: "starlette.TestClient", known_run_once: Run) -> None:
    found = client.get("/completions", params={"pattern": "z*y-x", "set": "test"}).text
    wanted = known_run_once.completions().collect().filter((pl.col("pattern") == "A*B-C") & (pl.col("set") == "test"))
    assert len(wanted) > 0 and f"<h1>{len(wanted)} completions</h1>" in found
    assert 'z*y-x</code> is <code><span class="whole">A*B-C</span>' in found
    assert client.get("/pattern", params={"pattern": "z*y-x"}).status_code == 200
    bad = client.get("/completions", params={"pattern": "A-*B"})
    assert "pattern = A-*B: not a pattern of this task" in bad.text
    assert '<input name="pattern" value="A-*B"' in bad.text, "the form lost what was typed"


def test_a_condition_of_a_link_stays_in_the_form(client: "starlette.TestClient") -> None:
    text = client.get("/completions?where=depth%3D2&step=4&since=0&solving=A-B*C").text
    for field in ('name="where" value="depth=2" checked', 'name="since" value="0"', 'name="solving" value="A-B*C"'):
        assert field in text
    assert client.get("/completions?where=depth").status_code == 404
    assert "cannot be grouped by colour" in client.get("/completions?where=colour%3Dred").text


def test_one_page_can_be_copied(client: "starlette.TestClient", known_run_once: Run) -> None:
    total = known_run_once.completions().select("seed").collect().height
    pages = [client.get(f"/completions.jsonl?page={number}").text.splitlines() for number in range(1, total // 50 + 2)]
    assert [len(lines) for lines in pages[:2]] == [50, 50] and sum(map(len, pages)) == total
    assert [line for lines in pages for line in lines] == client.get("/completions.jsonl").text.splitlines()


def test_the_family_of_a_pattern_contains_it(client: "starlette.TestClient", known_run_once: Run) -> None:
    text = client.get("/pattern", params={"pattern": "A-B", "set": "skills"}).text
    family = text[text.index("Its family") : text.index("What correct answers use")]
    assert "(A-B)*C</span>" in family and "A*B*C" not in family and "A+B+C" not in family


def test_every_sample_of_a_comparison_has_an_address(client: "starlette.TestClient", known_run_once: Run) -> None:
    one, name = puzzle(known_run_once), known_run_once.path.name
    text = client.get(f"/puzzle?set=test&puzzle={quote(one['puzzle_id'])}").text
    ids = re.findall(r'<article[^>]* id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 10 and f"{name}:1:4:-1" in ids
    address = unescape(re.search(r'<a href="([^"]+)">Address of this comparison', text)[1])
    assert re.findall(r'<article[^>]* id="([^"]+)"', client.get(address).text) == ids
    row = client.get("/completions?set=test&step=4").text
    assert f"#{quote(f'{name}:1:4:')}" in row


def test_a_puzzle_is_compared_with_runs_that_asked_it(known_run_once: Run, known_run: Run) -> None:
    kept = known_run.puzzles("test").slice(1)
    write_table(kept, known_run.puzzles_file("test"), known_run.task.puzzle_schema())
    first, second = known_run_once.puzzles("test")["puzzle_id"][:2]
    other = known_run.path.name
    app = server.application(Source([known_run_once, known_run]))
    client = starlette.TestClient(app, base_url="http://127.0.0.1")
    assert "last checkpoint of each run" in client.get("/puzzle", params={"set": "test", "puzzle": second}).text
    assert "last checkpoint of each run" not in client.get("/puzzle", params={"set": "test", "puzzle": first}).text
    answer = client.get("/puzzle", params={"set": "test", "puzzle": first, "at": f"{other}:1:4"})
    assert answer.status_code == 404 and "no such checkpoint of this puzzle" in answer.text


def test_a_line_alone_in_its_panel_is_named_if_there_are_others(known_run_once: Run, known_run: Run) -> None:
    shutil.rmtree(known_run.completions_file(1, "length", 4).parent)
    known_run.estimates_file.unlink()
    names = [run.path.name for run in (known_run_once, known_run)]
    app = server.application(Source([known_run_once, known_run]))
    client = starlette.TestClient(app, base_url="http://127.0.0.1")
    text = client.get("/curves", params={"run": names, "by": "all"}).text
    length = next(figure for figure in text.split("<figure")[1:] if "<h3>length</h3>" in figure)
    assert f"</svg>{names[0]}, seed 1</li>" in length and names[1] not in length
    assert 'class="legend"' not in client.get("/curves", params={"run": names[:1], "by": "all"}).text
