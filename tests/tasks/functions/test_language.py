"""Programs: their text, value and steps, and what is no program."""

import time
from contextlib import suppress
from random import Random

import pytest

from ramify.tasks.functions.counting import strata
from ramify.tasks.functions.drawing import draw_leaves, draw_pattern, is_live
from ramify.tasks.functions.language import BINARY, FUNCTIONS, LONGEST, MAX_DEPTH, UNARY, Program, ProgramError, apply
from ramify.tasks.functions.structure import contains, parts, structure

HOSTILE = [
    "",
    "   ",
    "rev",
    "rev(",
    "rev()",
    "rev(12",
    "rev(12))",
    "rev(1 2)",
    "rev(12,34)",
    "cat(12)",
    "cat(12,34,56)",
    "nosuch(12)",
    "rev(1234567)",
    "12 34",
    "(12)",
    ",",
    "rev(12)x",
    "rev(-12)",
    "rev(١٢)",
    "__import__('os')",
    "rev(12);rev(12)",
    "cat(" * 5000,
    "rev(" * 200 + "1" + ")" * 200,
    ")" * 4000,
    "1" * 5000,
    "rev(\x00)",
]


def naive(name: str, *values: str) -> str:
    """The functions once more, from their definitions in words."""
    digits = [int(each) for each in values[0]]
    others = [int(each) for each in values[1]] if len(values) > 1 else []
    if name == "rev":
        digits = list(reversed(digits))
    elif name == "sort":
        digits = [digit for wanted in range(10) for digit in digits if digit == wanted]
    elif name == "rot":
        digits.append(digits.pop(0))
    elif name == "inc":
        digits = [0 if digit == 9 else digit + 1 for digit in digits]
    elif name == "drop":
        digits = digits if len(digits) == 1 else digits[1:]
    elif name == "comp":
        digits = [9 - digit for digit in digits]
    elif name == "cat":
        digits = digits + others
    elif name == "zip":
        digits = [(digits[at] + others[at]) % 10 for at in range(min(len(digits), len(others)))]
    elif name == "mix":
        mixed = []
        while digits or others:
            mixed += [digits.pop(0)] if digits else []
            mixed += [others.pop(0)] if others else []
        digits = mixed
    else:
        digits = digits[: len(others)]
    return "".join(map(str, digits[:LONGEST]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_does_what_its_words_say(name: str) -> None:
    random = Random(name)
    for _ in range(300):
        values = ["".join(random.choices("0123456789", k=random.randint(1, 6))) for _ in range(FUNCTIONS[name].arity)]
        value = apply(name, *values)
        assert value == naive(name, *values)
        assert 1 <= len(value) <= LONGEST


def test_text_and_program_are_the_same() -> None:
    random = Random("text")
    for depth in range(1, 6):
        for stratum in strata(depth, 4, 8):
            program = draw_leaves(draw_pattern(stratum, random), (1, 6), random)
            assert Program.parse(program.text) == program
            assert Program.parse(program.text.replace(",", " ,\n ").replace("(", "( ")) == program
            assert program.pattern.filled(program.leaves) == program
            assert [part.text for part in program.subtrees()][-1] == program.text
            steps = program.steps()
            assert len(steps) == program.functions
            assert steps[-1].result == program.value == program.subtrees()[-1].value
            assert [step.result for step in steps] == [part.value for part in program.subtrees()]
            assert program.depth == 1 + max(operand.depth for operand in program.operands())
            assert program.operands()[0].text in program.text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(ProgramError) as error:
        Program.parse(text)
    assert 0 <= error.value.position <= max(len(text), 1)


def test_depth_is_bounded_and_nothing_recurses() -> None:
    deep = Program.parse("rev(" * MAX_DEPTH + "12" + ")" * MAX_DEPTH)
    assert (deep.depth, deep.value, len(deep.steps())) == (MAX_DEPTH, "12", MAX_DEPTH)
    assert deep.text.count("rev") == MAX_DEPTH


def test_parsing_is_bounded_by_the_longest_program() -> None:
    """No hostile text takes much longer to refuse than a long program takes to read."""

    def seconds(text: str) -> float:
        start = time.process_time()
        with suppress(ProgramError):
            Program.parse(text)
        return time.process_time() - start

    allowed = "cat(" * 30 + "1" + ",1)" * 30
    read = min(seconds(allowed) for _ in range(3))
    for text in ("cat(" * 1000, "rev(1" * 800, "cat(1," * 600, " " * 4000 + "x", "1" * 1_000_000):
        with pytest.raises(ProgramError):
            Program.parse(text)
        assert min(seconds(text), seconds(text)) < 50 * max(read, 1e-3), text[:10]


def test_a_live_program_needs_each_of_its_functions() -> None:
    """By leaving out each call in the text, with a parser of its own."""
    random = Random("live")
    seen = {True: 0, False: 0}
    for stratum in strata(3, 3, 4):
        for _ in range(20):
            program = draw_leaves(draw_pattern(stratum, random), (2, 3), random)
            shorter = []
            for at, item in enumerate(program.postfix):
                if item in FUNCTIONS:
                    part = next(
                        p for p in program.subtrees() if p.postfix == program.postfix[at + 1 - len(p.postfix) : at + 1]
                    )
                    before, after = program.postfix[: at + 1 - len(part.postfix)], program.postfix[at + 1 :]
                    shorter += [Program((*before, *operand.postfix, *after)).value for operand in part.operands()]
            assert is_live(program) == (len(program.value) > 1 and program.value not in shorter)
            seen[is_live(program)] += 1
    assert min(seen.values()) > 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rev(A)", (1, 1, 1, 1, "", "none")),
        ("cat(A,B)", (1, 2, 1, 2, "[1]cat[1]", "none")),
        ("cat(zip(A,B),C)", (2, 3, 2, 2, "[2]cat[1]", "left-heavy")),
        ("rev(cat(A,zip(B,C)))", (3, 3, 3, 3, "[1]cat[2]", "right-heavy")),
        ("cat(zip(A,B),mix(C,D))", (2, 4, 3, 3, "[2]cat[2]", "balanced")),
        ("cat(A,zip(B,mix(C,D)))", (3, 4, 3, 4, "[1]cat[3]", "right-heavy")),
    ],
)
def test_structure(text: str, expected: tuple[object, ...]) -> None:
    assert tuple(structure(Program.parse(text))) == expected


def test_a_fragment_is_found_where_it_stands_and_nowhere_else() -> None:
    fragment = Program.parse("cat(rev(A),B)")
    inside = ["cat(rev(A),B)", "inc(cat(rev(zip(A,B)),sort(C)))", "mix(A,cat(rev(B),C))"]
    outside = ["cat(A,rev(B))", "cat(inc(rev(A)),B)", "rev(cat(A,B))", "rev(A)"]
    assert [contains(Program.parse(text), fragment) for text in inside] == [True] * 3
    assert [contains(Program.parse(text), fragment) for text in outside] == [False] * 4
    assert contains(Program.parse("zip(cat(1,2),34)"), Program.parse("zip(cat(A,B),C)"))


def test_parts_are_patterns_of_their_own() -> None:
    assert [part.text for part in parts(Program.parse("mix(A,rev(cat(B,C)))"))] == ["mix(A,B)", "rev(cat(A,B))"]
    assert all(parts(Program.parse(f"{name}(A)")) == () for name in UNARY)
    assert all(parts(Program.parse(f"{name}(A,B)")) == () for name in BINARY)
