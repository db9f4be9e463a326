"""Fuzzing of everything that reads what others write; not part of the test suite.

    pip install atheris && python tests/fuzz.py answers -runs=1000000 -max_len=200 corpus/      guided by coverage
    python tests/fuzz.py answers --random 100000 7                                               drawn with a seed

The first argument names a target. Any exception that is not an error of ramify's own ends the run, and so does a
verdict that the reader in fair_reader.py does not share.
"""

import contextlib
import gzip
import json
import shutil
import sys
import tempfile
from collections import Counter
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

IS_GUIDED = "--random" not in sys.argv
if IS_GUIDED:
    import atheris

with atheris.instrument_imports(include=["ramify"]) if IS_GUIDED else contextlib.nullcontext():
    import brute
    from fair_reader import Unsure, is_right
    from ramify.adapters.columns import HOLDERS, ROLES
    from ramify.adapters.dumps import read_folder
    from ramify.adapters.import_settings import ImportConfig
    from ramify.adapters.row_files import read_rows
    from ramify.algebra.arrangement import arranged
    from ramify.algebra.parser import ParseError, parse
    from ramify.algebra.pattern import Pattern
    from ramify.config import Config
    from ramify.errors import ConfigError, RunError
    from ramify.models.bundled.pretrain import PretrainConfig
    from ramify.records import Verdict
    from ramify.settings import ExperimentConfig
    from ramify.tasks.countdown.attempts import find_attempts
    from ramify.tasks.countdown.catalog import patterns
    from ramify.tasks.countdown.grading import grade
    from ramify.tasks.countdown.instances import count_instances
    from ramify.tasks.countdown.puzzle import Puzzle
    from ramify.tasks.countdown.solver import solve

PUZZLES = (Puzzle((3, 7, 8), 29), Puzzle((2, 2, 5), 1), Puzzle((1, 3, 4, 6), 24), Puzzle((25, 50, 75, 100, 3, 6), 95))
PUZZLES += (Puzzle((9, 2, 5, 11), 42), Puzzle((9, 2), -18), Puzzle((6, 9, 4), 50))
SOLUTIONS = [[w.text for w in solve(p.numbers, p.target).values()] or ["-(9*2)", "9*-2"] for p in PUZZLES]
# Bytes become pieces of what models write, so that few runs are lost on texts without meaning.
PIECES = (
    *"0123456789+-*/()[]{}=., \n$&|_^!%<>:?'\"`x\\#;",
    *("×", "÷", "−", "–", "—", "·", "•", "∗", "²", "⁰", "√", "→", "é", "３", "＋", "＊", "（", "）", "．", "½", "٣"),
    *("\0", "\1", "\t", "\r", "\u00a0", "\u200b", "\ud800", "✓", "。"),
    *("<answer>", "</answer>", "<ANSWER>", "＜answer＞", "\\boxed{", "\\fbox{", "\\frac{", "\\dfrac{", "}{", "\\text{"),
    *("\\times", "\\div", "\\cdot", "\\left(", "\\right)", "\\(", "\\)", "\\[", "\\]", "\\\\", "\\,", "\\*", "\\-"),
    *("\\underbrace{", "}_{", "**", "//", "```", "```python\n", "<|im_end|>", "</s>", "[/INST]", "--", "-(", "(-"),
    *(
        "is ",
        "gives ",
        " = ",
        "==",
        "!=",
        "=>",
        "->",
        "e5",
        "sqrt(",
        "print(",
        "abc",
        "9" * 50,
        "0x",
        "1_0",
        ".0",
        "0o",
    ),
    *("25", "50", "75", "100", "3*7+8", "21", "29", "-5", "2.5", "1,000", "3*7=21", "29.0", "29=", "(3*7=21)"),
)
WRAPPINGS = ("<answer>{}</answer>", "so \\boxed{{{}}}", "<answer>{}", "<answer>$ {} $</answer>", "<answer>\\[ {}. \\]")
WRAPPINGS += (
    "<answer>**{}**</answer>",
    "<answer>```\n{}\n```</answer>",
    "<answer>\\boxed{{\\text{{{}}}}}</answer>",
    "{}",
)


def answers(data: bytes) -> None:
    """Read one text in every way there is: pieces alone, or a solution with pieces put in and characters left out."""
    if len(data) < 4:
        return
    which = data[0] % len(PUZZLES)
    puzzle = PUZZLES[which]
    if data[1] % 4 == 0:
        text = "".join(PIECES[byte % len(PIECES)] for byte in data[2:])
    else:
        solution = SOLUTIONS[which][data[2] % len(SOLUTIONS[which])]
        text = WRAPPINGS[data[3] % len(WRAPPINGS)].format(solution)
        for place, change in zip(data[4::2], data[5::2], strict=False):
            at = place % (len(text) + 1)
            text = text[:at] + (text[at + 1 :] if change > 250 else PIECES[change % len(PIECES)] + text[at:])
    check_answer(puzzle, text, truncated=data[1] % 16 > 12)


def check_answer(puzzle: Puzzle, text: str, truncated: bool) -> None:
    """Check a verdict and the attempts of a text."""
    result = grade(puzzle, text, truncated)
    correct = result.verdict is Verdict.CORRECT
    assert correct <= (result.value == puzzle.target)
    with contextlib.suppress(Unsure):
        assert is_right(puzzle.numbers, puzzle.target, text, truncated) is correct, (result, text)
    found = find_attempts(puzzle, text, partial=True, truncated=truncated)
    assert not correct or any(attempt.is_answer and attempt.hits_target for attempt in found), text
    for attempt in found:
        assert 0 <= attempt.start < attempt.end <= len(text)
        assert attempt.hits_target is (attempt.value == puzzle.target)
        assert not Counter(attempt.expression.numbers) - Counter(puzzle.numbers)
        assert parse(attempt.expression.text) == attempt.expression
        if attempt.pattern is None:
            assert attempt.expression.negated
        else:
            assert Pattern.of(attempt.expression) == attempt.pattern
            assert arranged(attempt.expression).value == attempt.value
    with contextlib.suppress(ParseError):
        parse(text)


def solving(data: bytes) -> None:
    """Solve a puzzle of two to four numbers; each witness is right, and none is missing."""
    numbers = tuple(byte % 30 for byte in data[1:5])
    if len(numbers) < 2:
        return
    target = data[0] - 20
    found = solve(numbers, target)
    for pattern, witness in found.items():
        assert Pattern.of(witness) == pattern
        assert is_right(numbers, target, f"<answer>{witness.text}</answer>"), witness.text
    if len(numbers) < 4:
        solutions = brute.solutions(numbers, target)
        assert bool(solutions) == bool(found), (numbers, target)


def counting(data: bytes) -> None:
    """Count the instances of a pattern of two or three leaves over a small range, beside a plain enumeration."""
    if len(data) < 6:
        return
    listed = patterns(2 + data[0] % 2)
    pattern = listed[data[1] % len(listed)]
    low = 1 + data[2] % 9
    numbers, target = (low, low + data[3] % 5), (data[4] - 99, data[4] - 99 + data[5] % 60)
    if target[0] < 1:
        target = (1, max(1, target[1]))
    letters = "ABC"[: pattern.size]
    right = 0
    for chosen in product(range(numbers[0], numbers[1] + 1), repeat=pattern.size):
        values = {letter: Fraction(number) for letter, number in zip(letters, chosen, strict=True)}
        with contextlib.suppress(ZeroDivisionError):
            value = eval(pattern.text, {}, values)
            right += target[0] <= value <= target[1] and value.denominator == 1
    assert count_instances(pattern, numbers, target).ordered == right, (pattern.text, numbers, target)


FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
SETTINGS = (
    *("name", "seeds", "model", "task", "train", "sample", "kind", "steps", "numbers", "target", "prompt", "reward"),
    *("hold_out", "test", "extends", "save_steps", "learning_rate", "samples", "temperature", "chat", "lora", "rank"),
    *(
        "=",
        "=",
        "=",
        ".",
        ".",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\n",
        " ",
        '"',
        "'",
        "[task]\n",
        "[train]\n",
        "[sample]\n",
    ),
    *("1", "0", "-1", "3", "1e300", "nan", "inf", "true", "false", "10000000000", "4294967296", "1979-05-27", "1e-6"),
    *('"quickstart"', '"grpo"', '"sft"', '"none"', '"hf"', '"countdown"', '"A-B*C"', '"tinyzero"', '"pure"', '"../x"'),
    *("\0", "é", "\\u0000", "#", "3 = 1440", "[[", "]]", "{ 3 = 1 }", "[1, 99]", '["A-B*C"]', "é=1", '"""'),
)


def settings(data: bytes) -> None:
    """Load settings from a file and overrides."""
    if len(data) < 3:
        return
    config: type[Config] = PretrainConfig if data[0] % 8 == 0 else ExperimentConfig
    cut = 2 + data[1] % (len(data) - 1)
    words = [SETTINGS[byte % len(SETTINGS)] for byte in data[2:]]
    file = FOLDER / "settings.toml"
    file.write_text("".join(words[: cut - 2]), encoding="utf-8")
    overrides = [line for line in "".join(words[cut - 2 :]).split("\n") if line]
    with contextlib.suppress(ConfigError):
        loaded = config.load(file if data[0] % 2 else None, overrides)
        assert config.check(loaded.model_dump(mode="json")) == loaded


NAMES = (*(name for names in ROLES.values() for name in names), *HOLDERS, "globalStep", "x", "", "puzzle_id", "role")
VALUES: tuple[Any, ...] = (
    *([3, 7, 8], "[3, 7, 8]", "3 7 8", 29, "29", 29.0, [3, 7], [[3, 7, 8]], "Using the numbers [3, 7, 8], make 29"),
    *("3*7+8", "<answer>3*7+8</answer>", ["<answer>3*7+8</answer>", "no"], "A*B+C", "step-50", 50, "final", "base"),
    *(None, True, False, "", [], {}, -1, 2**70, 1e400, "9" * 400, "\ud800", "\0", "stop", "length", ["stop", None]),
    *("<think>", "Question: use 3, 7, 8 to reach 29", {"numbers": [3, 7, 8], "target": 29}, '{"target": 29}', "{{{"),
    [{"role": "user", "content": "Numbers: [3, 7, 8]. Target: 29."}, {"role": "assistant", "content": "3*7+8"}],
    {"message": {"content": "<answer>3*7+8</answer>"}, "finish_reason": "length"},
    [{"text": "<answer>3*7+8</answer>", "finish_reason": "stop"}, {"text": None}],
)
FILES = ("a.jsonl", "a.json", "a.csv", "a.tsv", "a.jsonl.gz", "12.jsonl", "step-3/a.json", "results.jsonl", "a.eval")
FILES += ("a.parquet", "a.arrow", "rollouts/7.jsonl", "completions_00001.parquet", "samples_x.jsonl")


def importing(data: bytes) -> None:
    """Read a file of rows, or of bytes, as `regrade` and as `import` do."""
    if len(data) < 3:
        return
    folder = FOLDER / "import"
    shutil.rmtree(folder, ignore_errors=True)
    file = folder / FILES[data[0] % len(FILES)]
    file.parent.mkdir(parents=True)
    rows = []
    for part in range(1 + data[1] % 3):
        drawn = data[2 + part :: 3]
        pairs = zip(drawn[::2], drawn[1::2], strict=False)
        rows.append({NAMES[name % len(NAMES)]: VALUES[value % len(VALUES)] for name, value in pairs})
        if data[1] % 5:  # most rows have a puzzle
            rows[-1] = {"numbers": [3, 7, 8], "target": 29, "completion": "<answer>3*7+8</answer>"} | rows[-1]
    text = "".join(json.dumps(row) + "\n" for row in rows) if "jsonl" in file.name else json.dumps(rows)
    raw = data[2:] if data[1] % 16 == 0 else text.encode()
    raw = raw[: data[2] * 4] if data[1] % 16 == 1 else raw  # cut off
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" and data[1] % 2 else raw)
    for read in (lambda: read_rows(file, texts=True, verb="regrade"), lambda: read_folder(folder, ImportConfig())):
        with contextlib.suppress(RunError):
            read()


TARGETS = {function.__name__: function for function in (answers, solving, counting, settings, importing)}


def draw(target: str, runs: int, seed: int) -> None:
    """Run a target on inputs of 6 to 30 bytes drawn with a seed."""
    random = Random(seed)
    for run in range(runs):
        data = random.randbytes(random.choice((6, 6, 6, 8, 8, 10, 14, 30)))
        try:
            TARGETS[target](data)
        except BaseException:
            print(f"input {run}: {data!r}", file=sys.stderr)
            raise
    print(f"{target}: {runs:,} inputs of seed {seed}, nothing found")


if __name__ == "__main__":
    name = sys.argv.pop(1)
    if IS_GUIDED:
        atheris.Setup(sys.argv, TARGETS[name])
        atheris.Fuzz()
    else:
        draw(name, *map(int, sys.argv[2:4]))
