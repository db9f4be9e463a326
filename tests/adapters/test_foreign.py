"""Runs that others made, read into a run of ours."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from ramify import ConfigError, Puzzle, Run, RunError
from ramify.adapters.foreign import Imported, import_run
from ramify.adapters.formats import find_format
from ramify.adapters.import_settings import ImportConfig
from ramify.console import import_lines
from ramify.report.page import render
from ramify.stages.score import score
from ramify.tables import read_table
from ramify.tasks.countdown.prompts import PromptConfig

GOLDEN = Path(__file__).parents[1] / "golden" / "foreign"
EASY, HARD = Puzzle((3, 7, 8), 29), Puzzle((1, 2, 3), 6)
RIGHT = {EASY.id: "3*7+8", HARD.id: "1+2+3"}


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def imported(folder: Path | Sequence[Path], root: Path, **settings: object) -> Imported:
    folders = [folder] if isinstance(folder, Path) else folder
    return import_run(folders, "back", root, ImportConfig.check(settings), silent)


def answer(puzzle: Puzzle, right: bool) -> str:
    return f"<answer>{RIGHT[puzzle.id] if right else '1+1'}</answer>"


def lines(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def said(run: Run, name: str, step: int) -> list[tuple[str, int, str]]:
    frame = read_table(run.completions_file(1, name, step))
    return list(frame.select("puzzle_id", "sample", "text").sort("puzzle_id", "sample").iter_rows())


@pytest.mark.parametrize(
    ("name", "files", "completions", "puzzles", "steps"),
    [
        ("verl", 5, 16, 4, [0, 50]),
        ("lm-eval", 1, 24, 6, [30]),
        ("inspect", 1, 6, 4, [50]),
        ("verifiers", 1, 8, 4, [50]),
    ],
)
def test_real_outputs(tmp_path: Path, name: str, files: int, completions: int, puzzles: int, steps: list[int]) -> None:
    found = imported(GOLDEN / name, tmp_path)
    assert (found.format, found.files, found.completions, found.steps) == (name, files, completions, steps)
    assert found.puzzles == puzzles
    assert not found.unread
    score(found.run, silent)
    assert found.run.estimates().filter(metric="mean@2" if name != "lm-eval" else "mean@4", by="n").height


def test_validation_of_verl_with_its_training_beside(tmp_path: Path) -> None:
    run = imported(GOLDEN / "verl", tmp_path).run
    assert run.sampled_sets() == ["test"]
    assert run.rollout_steps(1) == [1, 2, 3]
    assert run.puzzles("train").height == 4
    score(run, silent)
    gain = run.estimates().filter(metric="mean@2 gain", by="all", set="test").row(0, named=True)
    assert (gain["value"], gain["step"]) == (1.0, 50)
    assert run.estimates().filter(metric="zero advantage", by="all")["value"].to_list() == [1.0]
    assert "the puzzles of this evaluation" in render(run)


def test_the_papers_folders(tmp_path: Path) -> None:
    for step in (50, 100):
        entries = [
            {
                "outputs": [answer(EASY, step == 100), answer(EASY, True)],
                "target": 29,
                "nums": [8, 3, 7],
                "canonical_pattern_index": 3,
                "canonical_pattern": "A*B+C",
            }
        ]
        folder = tmp_path / "results" / "Qwen" / "balanced-grpo-seed1" / f"global_step_{step}"
        folder.mkdir(parents=True)
        (folder / "balanced_temp0.6_n32_max1024.json").write_text(json.dumps(entries))
    found = imported(tmp_path / "results", tmp_path)
    assert (found.format, found.steps, found.completions) == ("paper", [50, 100], 4)
    assert said(found.run, "test", 50) == [(EASY.id, 0, answer(EASY, False)), (EASY.id, 1, answer(EASY, True))]
    score(found.run, silent)
    gain = found.run.estimates().filter(metric="mean@2 gain", by="pattern", set="test").row(0, named=True)
    assert (gain["group"], gain["value"], gain["step"]) == ("A*B+C", 0.5, 100)
    page = re.sub("<[^>]+>", "", render(found.run))
    assert "(step 50 → step 100, mean@" in page


def test_any_table_by_its_columns(tmp_path: Path) -> None:
    rows = [
        {"at": step, "q": {"n": "[3, 7, 8]", "goal": "29"}, "said": [{"role": "assistant", "content": text}]}
        for step in (0, 10)
        for text in (answer(EASY, step > 0), "hm")
    ]
    lines(tmp_path / "mine" / "all.jsonl", rows)
    names = {"numbers": "q.n", "target": "q.goal", "text": "said", "step": "at"}
    found = imported(tmp_path / "mine", tmp_path, **names)
    assert (found.format, found.steps, found.completions) == ("table", [0, 10], 4)
    pl.DataFrame({"nums": [[3, 7, 8]], "target": [29], "response": ["x"], "step": [5]}).write_parquet(
        tmp_path / "one.parquet"
    )
    assert import_run([tmp_path / "one.parquet"], "one", tmp_path, ImportConfig(), silent).steps == [5]


def test_numbers_in_the_prompt(tmp_path: Path) -> None:
    known = PromptConfig(template="tinyzero").text(EASY)
    lines(tmp_path / "a" / "5.jsonl", [{"input": known, "output": "x", "gts": "29", "score": 0.0}])
    assert imported(tmp_path / "a", tmp_path).run.puzzles("test")["puzzle_id"].to_list() == [EASY.id]


def test_words_of_ones_own(tmp_path: Path) -> None:
    template = "Make {target} of {numbers}."
    text = PromptConfig(template=template).text(EASY)
    lines(tmp_path / "b" / "all.jsonl", [{"prompt": text, "completion": answer(EASY, True), "step": 1}])
    found = imported(tmp_path / "b", tmp_path, prompt=template)
    assert said(found.run, "test", 1) == [(EASY.id, 0, answer(EASY, True))]
    with pytest.raises(RunError, match="no numbers and target in the prompt"):
        import_run([tmp_path / "b"], "other", tmp_path, ImportConfig(), silent)


def test_bad_rows_are_counted_named_and_kept(tmp_path: Path) -> None:
    good = {"numbers": [3, 7, 8], "target": 29, "completion": "x", "step": 1}
    bad = [
        {**good, "numbers": "many"},
        {**good, "numbers": [3]},
        {**good, "target": 2.5},
        {**good, "step": -1},
        {key: value for key, value in good.items() if key != "completion"},
        {**good, "numbers": ["9" * 5000, 1]},
    ]
    lines(tmp_path / "d" / "rows.jsonl", [good, *bad])
    (tmp_path / "d" / "a.jsonl").write_text(json.dumps({**good, "set": "rows"}) + '\n{"numbers": [3, 7\n[1, 2]\n')
    (tmp_path / "d" / "z.parquet").write_bytes(b"PAR1 no")
    found = imported(tmp_path / "d", tmp_path)
    assert (found.completions, found.unread.total()) == (2, 9)
    kept = [json.loads(line) for line in found.run.unread_file.read_text().splitlines()]
    assert [row["row"] for row in kept] == [2, 3, 2, 3, 4, 5, 6, 7, 0]
    assert kept[2]["record"] == bad[0]
    assert kept[0]["error"] == "not a line of JSON"
    assert "9 rows could not be read" in "\n".join(import_lines(found))


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        imported(tmp_path / "none", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"no completions there; looked for \.parquet"):
        imported(tmp_path / "empty", tmp_path)
    lines(tmp_path / "e" / "a.jsonl", [{"question": "?", "reply": "!"}])
    with pytest.raises(RunError, match=r"no numbers and target in the prompt .*its columns are question, reply"):
        imported(tmp_path / "e", tmp_path)
    assert not (tmp_path / "back").exists()
    with pytest.raises(RunError, match="--format other: there are trl, strings, verl"):
        imported(tmp_path / "e", tmp_path, format="other")
    with pytest.raises(RunError, match="no dumps of verl there"):
        imported(tmp_path / "e", tmp_path, format="verl")
    with pytest.raises(ConfigError, match="every = 0"):
        imported(tmp_path / "e", tmp_path, every=0)


def test_labels_that_do_not_fit_are_none(tmp_path: Path) -> None:
    several = HARD.numbers, HARD.target  # 1+2+3 and 1*2*3
    rows = [
        {"nums": [3, 7, 8], "target": 29, "pattern": "A+B+C", "completion": "x", "step": 0},
        {"nums": several[0], "target": several[1], "pattern": "A/B/C", "completion": "x", "step": 0},
        {"nums": [1, 3, 5], "target": 9, "pattern": "A+B+C", "completion": "x", "step": 0},
        {"nums": [1, 3, 5], "target": 9, "pattern": "A*B*C", "completion": "x", "step": 0},
    ]
    lines(tmp_path / "l" / "a.jsonl", rows)
    found = imported(tmp_path / "l", tmp_path)
    sources = dict(found.run.puzzles("test").select("puzzle_id", "pattern").iter_rows())
    assert sources[EASY.id] == "A*B+C"  # the only one that solves it
    assert sources[HARD.id] is None
    assert found.unlabelled >= 1
    assert "several patterns" in "\n".join(import_lines(found))
    score(found.run, silent)
    estimates = found.run.estimates()
    assert "unknown" not in set(estimates.filter(pl.col("by") == "pattern")["group"])
    whole = estimates.filter(metric="mean@1", by="n", group="3").row(0, named=True)
    assert whole["n"] == 3
    render(found.run)


def test_what_is_new_is_taken_in_and_the_rest_left(tmp_path: Path) -> None:
    def grow(step: int) -> None:
        rows = [{"numbers": p.numbers, "target": p.target, "output": answer(p, step > 0)} for p in (EASY, HARD)]
        lines(tmp_path / "g" / f"step_{step}.jsonl", rows)

    grow(0)
    run = imported(tmp_path / "g", tmp_path).run
    score(run, silent)
    first = run.completions_file(1, "test", 0)
    graded, written = run.derived_file("grades", 1, "test", 0), first.stat().st_mtime_ns
    before = graded.stat().st_mtime_ns
    grow(10)
    again = imported(tmp_path / "g", tmp_path)
    assert again.steps == [0, 10]
    score(run, silent)
    assert (first.stat().st_mtime_ns, graded.stat().st_mtime_ns) == (written, before)
    assert sorted(run.estimates().filter(metric="mean@1", by="all")["step"]) == [0, 10]
    (tmp_path / "g" / "step_10.jsonl").unlink()
    assert imported(tmp_path / "g", tmp_path).steps == [0]
    assert run.sampled(1) == [("test", 0)]
    with pytest.raises(RunError, match="other settings"):
        imported(tmp_path / "g", tmp_path, pattern="p")
    with pytest.raises(RunError, match="--every 5: windows need training completions"):
        imported(tmp_path / "g", tmp_path, every=5)


def test_a_file_in_the_hands_of_its_writer_takes_nothing_back(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    for step in (0, 10):
        pl.DataFrame({"nums": [[3, 7, 8]], "target": [29], "response": ["x"]}).write_parquet(
            tmp_path / "g" / f"step_{step}.parquet"
        )
    run = imported(tmp_path / "g", tmp_path).run
    whole = (tmp_path / "g" / "step_10.parquet").read_bytes()
    (tmp_path / "g" / "step_10.parquet").write_bytes(whole[:-40])
    again = imported(tmp_path / "g", tmp_path)
    assert again.unread.total() == 1
    assert run.sampled(1) == [("test", 0), ("test", 10)]


def test_folders_are_seeds(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        for step in (0, 10):
            rows = [{"numbers": p.numbers, "target": p.target, "output": answer(p, step > 0)} for p in (EASY, HARD)]
            lines(tmp_path / f"run-{seed}" / f"{step}.jsonl", [{**row, "reward": 0.0} for row in rows])
    run = imported([tmp_path / f"run-{seed}" for seed in (1, 2, 3)], tmp_path).run
    assert run.seeds == [1, 2, 3]
    score(run, silent)
    pooled = run.estimates().filter(pl.col("seed").is_null()).filter(metric="mean@1", by="all").sort("step")
    assert pooled["value"].to_list() == [0.0, 1.0]


def test_training_completions_go_into_windows(tmp_path: Path) -> None:
    for step in range(1, 31):
        row = {"input": "", "gts": json.dumps({"numbers": [3, 7, 8], "target": 29}), "score": 0.0}
        lines(tmp_path / "t" / f"{step}.jsonl", [{**row, "output": answer(EASY, step > 20)}] * 2)
    found = imported(tmp_path / "t", tmp_path)
    assert (found.window, found.steps) == (3, list(range(3, 31, 3)))
    assert [sample for _, sample, _ in said(found.run, "test", 3)] == list(range(6))
    own = import_run([tmp_path / "t"], "own", tmp_path, ImportConfig(every=20), silent)
    assert own.steps == [20, 30]
    assert "in windows of up to 20 steps" in "\n".join(import_lines(own))


def test_windows_of_a_run_that_starts_late(tmp_path: Path) -> None:
    for step in range(1001, 1034):
        row = {"input": "", "gts": json.dumps({"numbers": [3, 7, 8], "target": 29}), "score": 0.0}
        lines(tmp_path / "t" / f"{step}.jsonl", [{**row, "output": answer(EASY, step > 1020)}] * 2)
    found = imported(tmp_path / "t", tmp_path)
    assert (len(found.steps), found.steps[0], found.steps[-1], found.window) == (10, 1004, 1033, 4)
    score(found.run, silent)
    assert found.run.estimates().filter(metric="mean@6", by="n").height or found.run.estimates().height


def test_training_completions_in_a_table(tmp_path: Path) -> None:
    rows = [{"numbers": [3, 7, 8], "target": 29, "completion": "x", "step": step} for step in range(1, 41)]
    lines(tmp_path / "t" / "all.jsonl", rows)
    assert len(imported(tmp_path / "t", tmp_path).steps) == 40
    found = import_run([tmp_path / "t"], "own", tmp_path, ImportConfig(training=True), silent)
    assert len(found.steps) == 10


def test_gains_of_training_are_those_of_independent_means(tmp_path: Path) -> None:
    for step in range(1, 21):
        rows = []
        for number in range(10):
            puzzle = {"numbers": [step, number + 30, 99], "target": step + number + 129}
            right = f"<answer>{step}+{number + 30}+99</answer>" if (number < 7) == (step > 10) else "no"
            rows.append({"input": "", "output": right, "gts": json.dumps(puzzle), "score": 0.0})
        lines(tmp_path / "t" / f"{step}.jsonl", rows)
    run = imported(tmp_path / "t", tmp_path).run
    score(run, silent)
    gain = run.estimates().filter(metric="mean@1 gain", by="all", step=20).row(0, named=True)
    assert gain["value"] == pytest.approx(0.4)
    assert 0 < gain["low"] < 0.4 < gain["high"] <= 1
    assert "Success on the sampled training puzzles rose from" in render(run)


def test_formats_of_a_folder_that_are_not_read_are_named(tmp_path: Path) -> None:
    found = imported(GOLDEN, tmp_path)
    assert found.format == "trl"
    assert found.others == {"verl": 5, "verifiers": 1, "lm-eval": 1, "inspect": 1}
    assert "not read: 5 files of verl; --format verl reads these instead" in list(import_lines(found))


def test_puzzles_without_a_solution_and_names_that_are_none(tmp_path: Path) -> None:
    rows = [{"numbers": [1, 1], "target": 50, "completion": "x", "step": 0}]
    lines(tmp_path / "u" / "a.jsonl", rows)
    found = imported(tmp_path / "u", tmp_path)
    assert (found.unlabelled, found.unsolvable) == (0, 1)
    score(found.run, silent)
    render(found.run)
    with pytest.raises(RunError, match="each folder is one seed, and a folder is given twice"):
        imported([tmp_path / "u", tmp_path / "u"], tmp_path)
    for name in ("", "a/b", ".."):
        with pytest.raises(RunError, match="only letters, digits"):
            import_run([tmp_path / "u"], name, tmp_path, ImportConfig(), silent)
    with pytest.raises(ConfigError, match="prompt = Make it: a prompt template has"):
        ImportConfig.check({"prompt": "Make it"})


def test_formats_are_found_by_their_files(tmp_path: Path) -> None:
    assert find_format(GOLDEN / "verl")[0].name == "verl"
    assert find_format(next((GOLDEN / "verifiers").rglob("*.jsonl")))[0].name == "verifiers"


@pytest.mark.parametrize("text", ["\x00", "<script>alert(1)</script>", "(" * 5000, "1" * 20_000, "\ud800"])
def test_hostile_texts_are_only_texts(tmp_path: Path, text: str) -> None:
    lines(tmp_path / "h" / "0.jsonl", [{"numbers": [3, 7, 8], "target": 29, "output": text, "reward": 0.0}])
    run = imported(tmp_path / "h", tmp_path).run
    score(run, silent)
    assert "<script>alert(1)" not in render(run)


@pytest.mark.parametrize(
    "change",
    [
        {"target": 10**12},
        {"numbers": [3 * 10**9, 2]},
        {"step": 10**10},
        {"step": "many"},
        {"completion": []},
        {"numbers": [[1, 2], 3]},
        {"target": None},
    ],
)
def test_one_impossible_row_is_one_row(tmp_path: Path, change: dict) -> None:
    good = {"numbers": [3, 7, 8], "target": 29, "completion": "x", "step": "1"}
    lines(tmp_path / "a" / "rows.jsonl", [good, {**good, **change}])
    found = imported(tmp_path / "a", tmp_path)
    assert (found.completions, found.unread.total(), found.steps) == (1, 1, [1])
    score(found.run, silent)


def test_an_integer_of_thousands_of_digits_is_one_row(tmp_path: Path) -> None:
    lines(tmp_path / "a" / "1.jsonl", [{"numbers": [3, 7, 8], "target": 29, "completion": "x"}])
    with (tmp_path / "a" / "1.jsonl").open("a") as file:
        file.write('{"numbers": [' + "9" * 5000 + '], "target": 29, "completion": "x"}\n')
    found = imported(tmp_path / "a", tmp_path)
    assert (found.format, found.completions, found.unread.total()) == ("table", 1, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("traces.jsonl", '{"task": {"data": "x"}, "traces": [{"nodes": ["x"], "calls": "y"}]}'),
        ("traces.jsonl", '{"traces": {}}'),
        ("samples_x.jsonl", '{"doc_id": [1], "resps": 5, "doc": "x"}'),
        ("log.json", '{"version": 2, "eval": 1, "samples": ["x", {"metadata": [1], "output": 5}]}'),
        ("global_step_5/x.json", '{"outputs": 1}'),
        ("5.jsonl", '{"input": [], "output": {}, "gts": [[]]}'),
        ("x.csv", "nums,target,response\n,,"),
        ("x.jsonl", ""),
        ("x.parquet", "no"),
    ],
)
def test_files_of_a_strange_form_are_one_sentence(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "s" / name).parent.mkdir(parents=True)
    (tmp_path / "s" / name).write_text(text)
    with pytest.raises(RunError):
        imported(tmp_path / "s", tmp_path)
    assert not (tmp_path / "back").exists()


def test_sets_of_rows_and_of_files(tmp_path: Path) -> None:
    for step in (0, 50):
        for name in ("easy", "hard"):
            row = {"nums": EASY.numbers, "target": EASY.target, "response": name}
            lines(tmp_path / "f" / f"{name}_step{step}.jsonl", [row])
    run = imported(tmp_path / "f", tmp_path).run
    assert run.sampled(1) == [("hard", 0), ("hard", 50), ("test", 0), ("test", 50)]
    row = {"nums": EASY.numbers, "target": EASY.target, "response": "x", "step": 0, "set": ".."}
    lines(tmp_path / "r" / "rows.jsonl", [row])
    run = import_run([tmp_path / "r"], "dots", tmp_path, ImportConfig(), silent).run
    assert run.sampled(1) == [("test", 0)]


def test_a_run_is_not_read_back_into_itself(tmp_path: Path) -> None:
    row = {"numbers": [3, 7, 8], "target": 29, "completion": "x", "step": 0}
    lines(tmp_path / "rows.jsonl", [row])
    for _ in range(2):
        found = imported(tmp_path, tmp_path / "runs")
        score(found.run, silent)
        assert (found.files, found.completions) == (1, 1)


def test_training_and_then_evaluation_of_a_growing_run(tmp_path: Path) -> None:
    truth = [json.dumps({"numbers": p.numbers, "target": p.target}) for p in (EASY, HARD)]
    rows = [
        {"input": "", "output": answer(EASY, True), "gts": truth[0], "score": 1.0},
        {"input": "", "output": answer(HARD, True), "gts": truth[1], "score": 1.0},
        {"input": "", "output": "no", "gts": truth[1], "score": 0.0},
    ]
    lines(tmp_path / "g" / "rollouts" / "1.jsonl", rows)
    run = imported(tmp_path / "g", tmp_path).run
    score(run, silent)
    # One group of equal rewards, of a puzzle with a source pattern; one of unequal ones, of a puzzle without.
    assert run.estimates().filter(metric="zero advantage", by="all")["value"].to_list() == [0.5]
    assert run.estimates().filter(metric="zero advantage", by="n")["group"].to_list() == ["3"]
    assert run.estimates().filter(metric="zero advantage", by="pattern")["group"].to_list() == ["A*B+C"]
    lines(tmp_path / "g" / "rollouts" / "2.jsonl", rows[:1])
    for step in (0, 2):
        lines(tmp_path / "g" / "validation" / f"{step}.jsonl", [{**row, "reward": 1.0} for row in rows[:2]])
    again = imported(tmp_path / "g", tmp_path)
    assert (again.steps, again.rollouts) == ([0, 2], 4)
    score(run, silent)
    whole = run.estimates().filter(metric="zero advantage, whole run", by="all").row(0, named=True)
    assert (whole["n"], whole["value"]) == (3, pytest.approx(2 / 3))
    assert "the puzzles of this evaluation" in render(run)
    both = run.estimates().filter(metric="pattern support: both", by="all").row(0, named=True)
    assert (both["n"], both["value"]) == (1, 1.0)  # the puzzle without a source pattern is no pattern


def test_seeds_without_a_common_checkpoint(tmp_path: Path) -> None:
    for seed in (1, 2):
        row = {"numbers": [3, 7, 8], "target": 29, "completion": "x", "step": 100 * seed}
        lines(tmp_path / f"s{seed}" / "rows.jsonl", [row])
    run = imported([tmp_path / "s1", tmp_path / "s2"], tmp_path).run
    score(run, silent)
    with pytest.raises(RunError, match="no checkpoint in common"):
        render(run)


@pytest.mark.parametrize("count", [11, 12, 16, 18, 33, 100])
def test_windows_end_where_their_steps_end(tmp_path: Path, count: int) -> None:
    row = {"input": "", "output": "x", "gts": json.dumps({"numbers": [3, 7, 8], "target": 29}), "score": 0.0}
    for step in range(1, count + 1):
        lines(tmp_path / "t" / f"{step}.jsonl", [{**row, "output": str(step)}])
    found = imported(tmp_path / "t", tmp_path)
    assert len(found.steps) == 10
    for before, end in zip([0, *found.steps], found.steps, strict=False):
        texts = [text for _, _, text in said(found.run, "test", end)]
        assert sorted(map(int, texts)) == list(range(before + 1, end + 1))


@pytest.mark.parametrize("words", ["equals 1234567890", "equals 29.5", "equals 29,5"])
def test_half_a_target_is_none(tmp_path: Path, words: str) -> None:
    prompt = f"Using the numbers [3, 7, 8], create an equation that {words}"
    lines(tmp_path / "p" / "a.jsonl", [{"prompt": prompt, "completion": "x", "step": 0}])
    with pytest.raises(RunError, match="no numbers and target in the prompt"):
        imported(tmp_path / "p", tmp_path)


def test_tags_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two different texts are needed"):
        ImportConfig.check({"answer_tags": ("$$", "$$")})


def test_training_sets_of_several_folders(tmp_path: Path) -> None:
    for number, folder in enumerate(("easy", "hard"), start=1):
        puzzle = (EASY, HARD)[number - 1]
        truth = json.dumps({"numbers": puzzle.numbers, "target": puzzle.target})
        for step in (1, number + 1):
            row = {"input": "", "output": "x", "gts": truth, "score": 0.0}
            lines(tmp_path / "t" / folder / f"{step}.jsonl", [row])
    found = imported(tmp_path / "t", tmp_path)
    assert found.run.rollout_steps(1) == [1, 2, 3]
    assert read_table(found.run.rollouts_file(1, 1))["puzzle_id"].to_list() == [EASY.id, HARD.id]
    assert found.completions == 4
