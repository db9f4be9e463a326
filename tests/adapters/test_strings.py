"""Dumps of verl with the string functions of Yuan et al. (2025), from files to the report; all rows are made up."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ramify import Run, RunError
from ramify.adapters.foreign import Imported, import_run
from ramify.adapters.formats import find_format
from ramify.adapters.import_settings import ImportConfig
from ramify.explore import server
from ramify.explore.source import Source
from ramify.report.page import render
from ramify.stages.score import score

starlette = pytest.importorskip("starlette.testclient", reason="the view extra is not installed")
HELPER = "def func_3(s):\n    return ''.join(sorted(s))\n\n"
ITEMS = (  # expression and value at x = "cab"; func_3 sorts, func_9 appends the reverse, func_1 repeats
    ("func_3(x)", "abc"),
    ("func_9(x)", "cabbac"),
    ("func_9(func_3(x))", "abccba"),
    ("func_1(func_3('fed'), 2)", "defdef"),
    ("(func_3(x) + func_9('f'))", "abcff"),
    ("func_9((func_3(x) + 'd')).upper()", "ABCDDCBA"),
)


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def truth(expression: str, value: Any, **more: Any) -> dict[str, Any]:
    code = f"def main_solution(x):\n    return {expression}"
    found = {"ref_input": {"x": "cab"}, "ref_output": value, "ref_code": code, "funcname": "main_solution"}
    return {**found, **more}


def row(gts: Any, output: str, **more: Any) -> dict[str, Any]:
    code = gts.get("ref_code") if isinstance(gts, dict) else ""
    prompt = f'user\nYou are given a code:\n\n{code}\n\nCan you predict the output of `main_solution("cab")`?'
    kept = json.dumps(gts) if isinstance(gts, dict) else gts
    return {"input": prompt, "output": output, "gts": kept, "score": 0.0, "step": 0, **more}


def answer(value: str) -> str:
    return f'func_3("cab") is "abc".\n```json\n{json.dumps({"output": value})}\n```'


def write(folder: Path, rows: dict[int, list[Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for step, some in rows.items():
        lines = [one if isinstance(one, str) else json.dumps({**one, "step": step}) for one in some]
        (folder / f"{step}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def imported(folder: Path, root: Path, **settings: object) -> Imported:
    return import_run([folder], "back", root, ImportConfig.check(settings), silent)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two samples at each step: the base knows the single functions, step 20 also the compositions of depth 2."""
    root = tmp_path_factory.mktemp("strings")
    rows = {
        step: [
            row(truth(text, value), answer(value if number < known else "x"), reward=0.0)
            for number, (text, value) in enumerate(ITEMS)
            for _ in range(2)
        ]
        for step, known in ((0, 2), (20, 5))
    }
    found = imported(write(root / "validation", rows), root)
    assert (found.format, found.completions, found.puzzles, found.steps) == ("strings", 24, 6, [0, 20])
    assert not found.unread and not found.notes
    score(found.run, silent)
    return found.run


def groups(run: Run, by: str, metric: str = "mean@2") -> dict[str, float]:
    return dict(run.estimates().filter(metric=metric, by=by, step=20).select("group", "value").iter_rows())


def test_success_by_depth_shape_and_function(run: Run) -> None:
    assert run.task.kind == "strings"
    assert groups(run, "n") == {"1": 1.0, "2": 1.0, "4": 0.0}
    assert groups(run, "n", "mean@2 gain") == {"1": 0.0, "2": 1.0, "4": 0.0}
    assert groups(run, "n,shape_class")["4,none"] == 0.0
    assert groups(run, "outer") == {"func_3": 1.0, "func_9": 1.0, "func_1": 1.0, "+": 1.0, ".upper": 0.0}
    assert groups(run, "n,outer")["2,func_9"] == 1.0
    assert groups(run, "pair")["func_9(func_3)"] == 1.0
    assert groups(run, "pattern")["func_9((func_3(A)+B)).upper()"] == 0.0


def test_composition_gap_of_measured_parts(run: Run) -> None:
    gaps = run.estimates().filter(metric="composition gap", by="pattern", group="func_9(func_3(A))").sort("step")
    assert gaps["value"].to_list() == [-1.0, 0.0]


def test_what_needs_the_functions_is_not_estimated(run: Run) -> None:
    names = {*run.estimates()["metric"]}
    assert {"mean@2", "pass@2", "maj@2"} <= names
    assert names.isdisjoint({"attempts", "execution", "substitution", "attempted", "CoT-pass@2", "attempts gain"})
    answers = run.attempts().collect()
    assert answers["pattern"].null_count() == answers.height == 24


def test_the_report_and_the_explorer(run: Run) -> None:
    page = render(run)
    assert "steps that a completion states are not" in page
    assert "Success by outermost function" in page and ">func_9</text>" in page
    assert "Attempts a completion" not in page and "Countdown" not in page
    client = starlette.TestClient(server.application(Source([run])), base_url="http://127.0.0.1")
    one = run.puzzles("test").row(0, named=True)
    for path in (
        *("/", "/curves?by=pattern", "/structure?step=20&n=2", "/completions?step=20"),
        f"/pattern?pattern={quote(one['pattern'])}",
        f"/puzzle?set=test&puzzle={quote(one['puzzle_id'])}",
    ):
        found = client.get(path)
        assert found.status_code == 200, (path, found.text[:300])
    assert "not a pattern" in client.get("/pattern?pattern=%3Cscript%3E").text


def test_code_with_its_functions_before(tmp_path: Path) -> None:
    code = HELPER + "def main_solution(x):\n    return func_3(x)"
    folder = write(tmp_path / "a", {5: [row(truth("", "abc", ref_code=code), answer("abc"))]})
    frame = imported(folder, tmp_path).run.puzzles("test")
    assert frame["program"].to_list() == ["func_3(x)"]


def test_several_variables_and_a_name_of_its_own(tmp_path: Path) -> None:
    code = "def main(x, y):\n    return func_7(x, y)"
    more = {"ref_code": code, "funcname": "main", "ref_input": {"x": "a", "y": "b"}}
    folder = write(tmp_path / "a", {5: [row(truth("", "ab", **more), answer("ab"))] * 2})
    assert find_format(folder).format.name == "strings"
    found = imported(folder, tmp_path)
    assert found.run.puzzles("test")["puzzle_id"].to_list() == ['func_7(x, y) at {"x": "a", "y": "b"} → ab']


UNREADABLE = (
    (row("{", ""), "no ref_code"),
    (row("", ""), "no ref_code"),
    (row({"numbers": [3, 7, 8], "target": 29}, ""), "no ref_code"),
    (row(json.dumps(truth("func_3(x)", "abc")) + " " * 100_001, ""), "no ref_code"),
    (row(truth("func_3(x)", 12), ""), "not a string of up to"),
    (row(truth("func_3(x)", None), ""), "not a string of up to"),
    (row(truth("func_3(x)", ["abc"]), ""), "not a string of up to"),
    (row(truth("func_3(x)", "a" * 10_001), ""), "not a string of up to"),
    (row(truth("func_3(x)", "\ud800"), ""), "not a string of up to"),
    (row(truth("func_3(x)", "abc", ref_input="cab"), ""), "not an object with every variable"),
    (row(truth("func_3(x)", "abc", ref_input={"y": "cab"}), ""), "not an object with every variable"),
    (row(truth("func_3(x)", "abc", ref_input={"x": ["cab"]}), ""), "not an object of strings"),
    (row(truth("func_3(x)", "abc", ref_input={"x": "\udfff"}), ""), "not an object of strings"),
    (row(truth("", "abc", ref_code=7), ""), "not code of up to"),
    (row(truth("func_3(x)", "abc", funcname=["main_solution"]), ""), "not code of up to"),
    (row(truth("func_3(x)", "abc", funcname="other"), ""), "not code that ends with the value of"),
    (row(truth("", "abc", ref_code="import os"), ""), "not code that ends with the value of"),
    (row(truth("func_3(x)\n    print(x)", "abc"), ""), "one expression"),
    (row(truth("f(" * 5000 + "x" + ")" * 5000, "abc"), ""), "up to 4096 characters"),
    (row(truth("f(" * 1000 + "x" + ")" * 1000, "abc"), ""), "one expression"),
    ('{"input": "", "output": ', "not"),
)


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    rows = [row(truth("func_3(x)", "abc"), answer("abc")), *(one for one, _ in UNREADABLE)]
    found = imported(write(tmp_path / "a", {5: rows}), tmp_path)
    assert (found.completions, found.unread.total()) == (1, len(UNREADABLE))
    kept = [json.loads(line)["error"] for line in found.run.unread_file.read_text().splitlines()]
    for error, (_, reason) in zip(kept, UNREADABLE, strict=True):
        assert reason in error and len(error) < 250


def test_a_dump_without_the_ground_truth_is_one_sentence(tmp_path: Path) -> None:
    old = row(truth("func_3(x)", "abc"), answer("abc"))
    del old["gts"]
    with pytest.raises(RunError, match="row 1: no ref_code in the ground truth, so the program") as failed:
        imported(write(tmp_path / "a", {5: [old]}), tmp_path)
    assert "ramify import" not in str(failed.value)  # no column would help


def test_the_code_is_never_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    hostile = f"open({str(mark)!r}, 'w')"
    code = f"{hostile}\ndef main_solution(x):\n    return func_3({hostile})"
    found = imported(write(tmp_path / "a", {5: [row(truth("", "abc", ref_code=code), answer("abc"))]}), tmp_path)
    score(found.run, silent)
    assert found.run.puzzles("test")["pattern"].to_list() == ["func_3(open(A))"]
    assert not mark.exists()


def test_hostile_texts_are_escaped(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    items = [truth(f"func_3(func_9({script!r}))", script, ref_input={"x": script}), truth("func_3(x)", "abc")]
    rows = {step: [row(one, answer(script)) for one in items for _ in range(2)] for step in (5,)}
    run = imported(write(tmp_path / "validation", rows), tmp_path).run
    score(run, silent)
    page = render(run)
    assert "&lt;script&gt;alert(1)" in page and script not in page


def test_other_dumps_beside_are_reported(tmp_path: Path) -> None:
    countdown = {"input": "", "output": "<answer>3*7+8</answer>", "gts": '{"numbers": [3, 7, 8], "target": 29}'}
    folder = write(tmp_path / "a", {5: [row(truth("func_3(x)", "abc"), answer("abc"))], 10: [countdown]})
    found = imported(folder, tmp_path)
    assert (found.format, found.files, found.others) == ("strings", 1, {"verl": 1})
    assert imported(folder, tmp_path / "again", format="verl").format == "verl"


@pytest.mark.parametrize(
    ("settings", "option"),
    [({"answer_pattern": "x(.)"}, "--answer-pattern"), ({"answer_tags": ("[", "]")}, "--answer-tags")],
)
def test_options_of_countdown_are_refused(tmp_path: Path, settings: dict, option: str) -> None:
    folder = write(tmp_path / "a", {5: [row(truth("func_3(x)", "abc"), answer("abc"))]})
    with pytest.raises(RunError, match=f"{option} has no effect on dumps of verl with string functions"):
        imported(folder, tmp_path, **settings)


def test_seeds_of_different_tasks_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a", {5: [row(truth("func_3(x)", "abc"), answer("abc"))]})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "5.jsonl").write_text(
        json.dumps({"input": "", "output": "", "gts": {"numbers": [1, 2], "target": 3}})
    )
    with pytest.raises(RunError, match="are different tasks"):
        import_run([first, tmp_path / "b"], "both", tmp_path, ImportConfig(), silent)


def test_training_completions_have_windows(tmp_path: Path) -> None:
    rows = {step: [row(truth("func_3(x)", "abc"), answer("abc"))] for step in range(1, 13)}
    found = imported(write(tmp_path / "rollouts", rows), tmp_path)
    assert (len(found.steps), found.completions, found.window) == (10, 12, 2)
