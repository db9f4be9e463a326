"""What a model writes: verdicts, and which trees it executes."""

import time
from random import Random

import pytest

from ramify.records import Verdict
from ramify.tasks.functions.attempts import find_attempts, first_fault
from ramify.tasks.functions.counting import strata
from ramify.tasks.functions.drawing import draw_leaves, draw_pattern, is_live
from ramify.tasks.functions.grading import grade
from ramify.tasks.functions.language import Program
from ramify.tasks.functions.prompts import TEMPLATES, PromptConfig
from ramify.tasks.functions.puzzle import ProgramPuzzle
from ramify.tasks.functions.task import FunctionsConfig

PUZZLE = ProgramPuzzle(Program.parse("zip(rev(401),sort(73))"))  # 104, 37: 47
RIGHT = "rev(401)=104\nsort(73)=37\nzip(104,37)=47\n<answer>47</answer>"


def executed(text: str, puzzle: ProgramPuzzle = PUZZLE) -> list[tuple[str, bool]]:
    """The trees that were executed, each with whether a value is wrong."""
    return [(a.expression.text, a.miscalculated) for a in find_attempts(puzzle, text) if not a.is_answer]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (RIGHT, Verdict.CORRECT),
        ("<answer>47</answer>", Verdict.CORRECT),
        ("<answer> 4 7 </answer>", Verdict.CORRECT),
        ("<answer>[4, 7]</answer>", Verdict.CORRECT),
        (r"so \boxed{47}", Verdict.CORRECT),
        ("<answer>47</answer> no: <answer>`47`.</answer>", Verdict.CORRECT),
        ("<ANSWER>zip(104,37) = 47</ANSWER>", Verdict.CORRECT),
        ("<answer>４７</answer>", Verdict.CORRECT),
        ("<answer>047</answer>", Verdict.WRONG_VALUE),
        ("<answer>74</answer>", Verdict.WRONG_VALUE),
        ("<answer>1234567</answer>", Verdict.WRONG_VALUE),
        ("<answer>zip(104,37)</answer>", Verdict.UNPARSABLE),
        ("<answer>47 or 74</answer>", Verdict.UNPARSABLE),
        ("<answer></answer>", Verdict.UNPARSABLE),
        ("<answer>" + "4" * 10_000 + "</answer>", Verdict.UNPARSABLE),
        ("it is 47", Verdict.NO_ANSWER),
        ("", Verdict.NO_ANSWER),
    ],
)
def test_verdicts(text: str, verdict: Verdict) -> None:
    assert grade(PUZZLE, text).verdict is verdict


def test_a_cut_off_completion_is_truncated() -> None:
    assert grade(PUZZLE, "rev(401)=104\n", truncated=True).verdict is Verdict.TRUNCATED
    assert grade(PUZZLE, RIGHT, truncated=True).verdict is Verdict.CORRECT


@pytest.mark.parametrize(
    ("text", "trees"),
    [
        (RIGHT, [("zip(rev(401),sort(73))", False)]),
        ("sort(73) = 37\nrev(401) = 104\nzip(104, 37) = 47", [("zip(rev(401),sort(73))", False)]),
        ("`rev(401)` → 104. sort(73) is 37. So zip(104,37) gives **47**.", [("zip(rev(401),sort(73))", False)]),
        ("zip(rev(401),sort(73)) = zip(104,37) = 47", [("zip(rev(401),sort(73))", False)]),
        ("zip(rev(401),sort(73)) = zip(104,73) = 47", [("zip(rev(401),sort(73))", True)]),
        ("rev(401)=140\nsort(73)=37\nzip(140,37)=47", [("zip(rev(401),sort(73))", True)]),
        ("rev(401)=104\nrev(401)=104\nsort(73)=37\nzip(104,37)=47", [("zip(rev(401),sort(73))", False)]),
        ("rev(401)=104\nzip(104,73)=77", [("zip(rev(401),73)", True)]),  # 83
        ("zip(401,73)=14", [("zip(401,73)", True)]),
        ("rev(401)=104\nsort(73)=37\nzip(401,37)=70", [("rev(401)", False), ("zip(401,sort(73))", True)]),
        ("zip(rev(401),sort(73)), let me see", []),
        ("rev(401,2)=104 cat(1)=1 rev(401)=unknown", []),
    ],
)
def test_trees_are_linked_by_value(text: str, trees: list[tuple[str, bool]]) -> None:
    found = executed(text)
    assert sorted(found) == sorted(trees)


def test_an_operand_is_what_the_program_says_where_values_are_equal() -> None:
    """rev(21) is 12, which is a string of the program too: on either side, the tree is the program's own."""
    for text in ("mix(12,rev(21))", "mix(rev(21),12)"):
        puzzle = ProgramPuzzle(Program.parse(text))
        assert executed("rev(21)=12\nmix(12,12)=1122", puzzle) == [(text, False)]
    twice = ProgramPuzzle(Program.parse("cat(rev(12),rev(12))"))
    assert executed("rev(12)=21\ncat(21,21)=2121", twice) == [("cat(rev(12),rev(12))", False)]
    assert first_fault(twice.program, "rev(12)=21\ncat(21,21)=2121") is None


def test_the_answer_has_the_pattern_of_the_tree_that_gives_it() -> None:
    answer = find_attempts(PUZZLE, RIGHT)[-1]
    assert (answer.is_answer, answer.pattern, answer.hits_target) == (True, PUZZLE.pattern, True)
    skipped = find_attempts(PUZZLE, "zip(401,73)=14\n<answer>14</answer>")[-1]
    assert (skipped.pattern.text, skipped.hits_target, skipped.miscalculated) == ("zip(A,B)", False, True)
    silent = find_attempts(PUZZLE, "<answer>48</answer>")
    assert [(a.pattern, a.hits_target, a.miscalculated, a.stated) for a in silent] == [(PUZZLE.pattern, False, True, 1)]
    unrelated = find_attempts(PUZZLE, "rev(401)=104\n<answer>99</answer>")[-1]
    assert (unrelated.pattern, unrelated.hits_target) == (None, False)


@pytest.mark.parametrize(
    ("text", "part", "is_missing"),
    [
        ("rev(401)=140\nsort(73)=37\nzip(140,37)=47", "rev(401)", False),
        ("rev(401)=104\nzip(104,73)=83", "sort(73)", True),
        ("rev(401)=104\nsort(73)=37\nzip(104,37)=48", "zip(rev(401),sort(73))", False),
        ("", "rev(401)", True),
    ],
)
def test_the_first_fault_is_the_innermost(text: str, part: str, is_missing: bool) -> None:
    fault = first_fault(PUZZLE.program, text)
    assert fault is not None
    assert (fault.part.text, fault.is_missing) == (part, is_missing)


@pytest.mark.parametrize("template", [*TEMPLATES, "{program} ="])
def test_what_is_demonstrated_is_right_and_a_mistake_is_not(template: str) -> None:
    task = FunctionsConfig(prompt=PromptConfig(template=template))
    random = Random("demonstrations")
    for depth in range(1, 6):
        for stratum in strata(depth, 4, 8):
            program = draw_leaves(draw_pattern(stratum, random), (2, 3), random)
            if not is_live(program):
                continue
            puzzle = ProgramPuzzle(program)
            text = task.demonstrate(puzzle)
            assert task.grade(puzzle, text).verdict is Verdict.CORRECT
            assert [a.expression.text for a in task.find_attempts(puzzle, text)] == [program.text, program.value]
            assert not any(a.miscalculated for a in task.find_attempts(puzzle, text))
            assert first_fault(program, text) is None
            wrong = task.mistake(puzzle, random)
            assert task.grade(puzzle, wrong).verdict is Verdict.WRONG_VALUE
            assert any(a.miscalculated for a in task.find_attempts(puzzle, wrong))
            fault = first_fault(program, wrong)
            assert fault is not None and not fault.is_missing


def test_prompts_name_the_program_and_define_what_it_uses() -> None:
    text = PromptConfig(template="definitions").text(PUZZLE)
    assert PUZZLE.id in text
    assert all(f"{name}(a" in text for name in ("rev", "sort", "zip"))
    assert "mix(" not in text
    assert "{" not in text
    chat = PromptConfig(template="words", chat=True).to_model_input(PUZZLE)
    assert chat[0]["role"] == "user"


@pytest.mark.parametrize(
    "text",
    [
        "rev(" * 50_000,
        "rev(1)=" * 30_000,
        "cat(1,2)=12 " * 20_000,
        "cat(12,12)=1212\n" + "cat(1212,1212)=1212\n" * 10_000,
        "zip(" + "rev(" * 60 + "1" + ")" * 60 + ",2)=3 " * 500,
        "=" * 200_000,
        "<answer>" * 20_000,
        "rev(401)=104\n" * 20_000,
        "rev(401) = " + " " * 100_000 + "104",
        "\x00\ud800" * 1000,
    ],
    ids=range(10),
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.process_time()
    find_attempts(PUZZLE, text)
    grade(PUZZLE, text)
    first_fault(PUZZLE.program, text)
    assert time.process_time() - start < 4


def test_trees_do_not_grow_without_end() -> None:
    text = "cat(12,12)=1212\n" + "".join(f"cat({'1212'},{'1212'})=1212\n" for _ in range(100))
    assert all(len(a.expression.text) < 3000 for a in find_attempts(PUZZLE, text))
