"""Programs of string functions: their trees, structure, grades and hostile texts."""

import json
import time
from random import Random

import pytest

from ramify import ConfigError
from ramify.records import Verdict
from ramify.tasks.strings.language import MAX_DEPTH, MAX_LENGTH, StringsError, parts, pattern_of, read_tree
from ramify.tasks.strings.task import LONGEST, StringPuzzle, StringsConfig

TASK = StringsConfig()
PUZZLE = StringPuzzle("func_9(func_3(x))", '{"x": "cab"}', "abccba")


@pytest.mark.parametrize(
    ("program", "pattern"),
    [
        ("func_3(x)", "func_3(A)"),
        ("func_5(func_1(x, 3), 'qz')", "func_5(func_1(A))"),
        ("(x + 'abc')", "(A+B)"),
        ("x + 'abc' + x", "((A+B)+C)"),
        ("('abc').upper()", "A.upper()"),
        ("func_7(x, func_2('ab'))", "func_7(A,func_2(B))"),
        ("x.replace('a', 'b')", "A.replace()"),
        ("(func_3(x) + x).lower()", "(func_3(A)+B).lower()"),
    ],
)
def test_a_pattern_has_letters_for_strings_and_no_parameters(program: str, pattern: str) -> None:
    assert pattern_of(read_tree(program)) == pattern
    assert pattern_of(read_tree(pattern)) == pattern


def test_more_leaves_than_letters() -> None:
    text = "x"
    for _ in range(5):
        text = f"func_7({text}, {text})"
    pattern = pattern_of(read_tree(text))
    assert "Z" in pattern and "A1" in pattern and "F1" in pattern
    assert TASK.structure(pattern)["leaves"] == 32
    assert pattern_of(read_tree(pattern)) == pattern


@pytest.mark.parametrize(
    ("pattern", "n", "functions", "shape", "split", "lookahead", "outer", "pair"),
    [
        ("func_3(A)", 1, 1, "none", "", 1, "func_3", "none"),
        ("func_3((A+B))", 2, 2, "none", "[1]+[1]", 2, "func_3", "func_3(+)"),
        ("func_7(func_7(A,B),func_2(C))", 2, 3, "left-heavy", "[2]func_7[1]", 2, "func_7", "func_7(func_7)"),
        ("(func_2(A)+func_7(B,C))", 2, 3, "right-heavy", "[1]+[2]", 3, "+", "+(func_2)"),
        ("((A+B)+func_7(C,D)).upper()", 3, 4, "balanced", "[2]+[2]", 3, ".upper", ".upper(+)"),
    ],
)
def test_structure(
    pattern: str, n: int, functions: int, shape: str, split: str, lookahead: int, outer: str, pair: str
) -> None:
    found = TASK.structure(pattern)
    names = ("n", "functions", "shape_class", "split", "lookahead", "outer", "pair")
    assert tuple(found[name] for name in names) == (n, functions, shape, split, lookahead, outer, pair)


def test_parts_are_the_outermost_function_and_its_operands() -> None:
    assert parts("func_3(A)") == ()
    assert parts("(func_2(A)+func_7(B,C))") == ("(A+B)", "func_2(A)", "func_7(A,B)")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "applies a function"),
        ("'abc'", "applies a function"),
        ("", "one expression"),
        ("func_1(x", "one expression"),
        ("a = func_1(x)", "one expression"),
        ("\0", "one expression"),
        ("func_1(\ud800)", "one expression"),
        ("func_1()", "with 0 operands"),
        ("func_1(x, y, z)", "with 3 operands"),
        ("func_1(3)", "no Constant"),
        ("func_1(x)[0]", "no Subscript"),
        ("func_1(*x)", "no Starred"),
        ("func_1(s=x)", "no Call"),
        ("func_1(x)(x)", "no Call"),
        ("x * 3", "no BinOp"),
        ("func_1(lambda x: x)", "no Lambda"),
        ("__import__('os').system(f'{x}')", "no JoinedStr"),
        ("f(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1), "within each other"),
        ("+".join("x" * 1000), "within each other"),
        ("f(" * 1000 + "x" + ")" * 1000, "one expression"),
        ("-" * MAX_LENGTH, "one expression"),
        ("x" + ".a" * 2000, "no Attribute"),
        ("f(" + "x," * 2000 + ")", "2000 operands"),
        ("x" * (MAX_LENGTH + 1), "up to 4096 characters"),
    ],
)
def test_what_is_not_a_program_is_named(text: str, reason: str) -> None:
    began = time.perf_counter()
    with pytest.raises(StringsError, match=reason):
        read_tree(text)
    assert time.perf_counter() - began < 1


def test_the_deepest_program_is_read() -> None:
    pattern = "f(" * MAX_DEPTH + "A" + ")" * MAX_DEPTH
    assert TASK.structure(pattern)["n"] == MAX_DEPTH
    assert TASK.tree(pattern)[0] == "f"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"output": "abccba"}', Verdict.CORRECT),
        ('```json\n{\n  "output": "abccba"\n}\n```', Verdict.CORRECT),
        ('\\boxed{{"output":"abccba"}}', Verdict.CORRECT),
        ('{"steps": "abc", "output": "abccba", "sure": true}', Verdict.CORRECT),
        ('{"output": "\\u0061bccba"}', Verdict.CORRECT),
        ('{"output": "x"} no, {"output": "abccba"}', Verdict.CORRECT),
        ('{"output": "abccba"} in the form {"output": <your output>}', Verdict.CORRECT),
        ('{"output": "abccba"} no, {"output": "x"}', Verdict.WRONG_VALUE),
        ('{"output": "abccba "}', Verdict.WRONG_VALUE),
        ('{"output": "ABCCBA"}', Verdict.WRONG_VALUE),
        ('{"output": "\\ud800"}', Verdict.WRONG_VALUE),
        ('{"output": "a\nb"}', Verdict.WRONG_VALUE),
        ('{"output": 12}', Verdict.UNPARSABLE),
        ('{"output": ["abccba"]}', Verdict.UNPARSABLE),
        ('{"output": "abccba', Verdict.UNPARSABLE),
        ('{"output": ' + "[" * 10_000, Verdict.UNPARSABLE),
        ('{"output": "' + "a" * (LONGEST + 1) + '"}', Verdict.UNPARSABLE),
        ("{'output': 'abccba'}", Verdict.NO_ANSWER),
        ("<answer>abccba</answer>", Verdict.NO_ANSWER),
        ("", Verdict.NO_ANSWER),
    ],
)
def test_verdicts(text: str, verdict: Verdict) -> None:
    assert TASK.grade(PUZZLE, text).verdict is verdict
    found = TASK.find_attempts(PUZZLE, text)
    assert len(found) == (verdict in (Verdict.CORRECT, Verdict.WRONG_VALUE))
    for attempt in found:
        assert attempt.hits_target == (verdict is Verdict.CORRECT)
        assert (attempt.pattern, attempt.stated, attempt.miscalculated) == (None, 0, False)
        attempt.expression.text.encode()  # a table can hold it


@pytest.mark.parametrize("text", ["no answer", '{"output": "abcc'])
def test_the_limit_ends_a_completion(text: str) -> None:
    assert TASK.grade(PUZZLE, text, truncated=True).verdict is Verdict.TRUNCATED


@pytest.mark.parametrize("unit", ['{"output": "a', '{"output":', '{"output": "a"', "{", ',"output"' + " " * 30])
def test_time_is_linear_in_a_hostile_text(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        began = time.perf_counter()
        TASK.grade(PUZZLE, text)
        return time.perf_counter() - began

    few, many = (min(seconds(length) for _ in range(3)) for length in (100_000, 400_000))
    assert many < 16 * few + 0.05


def test_demonstrations_and_mistakes_are_graded_as_such() -> None:
    puzzle = StringPuzzle("func_3(x)", '{"x": "é"}', 'a"\\b\n')
    assert TASK.grade(puzzle, TASK.demonstrate(puzzle)).verdict is Verdict.CORRECT
    assert TASK.grade(puzzle, TASK.mistake(puzzle, Random(1))).verdict is Verdict.WRONG_VALUE


def test_a_prompt_has_the_program_and_its_inputs() -> None:
    (message,) = TASK.prompt.to_model_input(PUZZLE)
    assert PUZZLE.program in message["content"] and json.loads(PUZZLE.inputs)["x"] in message["content"]


def test_none_is_drawn() -> None:
    with pytest.raises(ConfigError, match="ramify import only"):
        TASK.draw(lambda *_: None)
