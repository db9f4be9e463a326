"""Read the items of the string task of Yuan et al. (2025, arXiv 2509.25123) from rows of verl.

The ground truth is JSON text with ref_code, ref_input, ref_output and funcname; the code is parsed, never executed.
"""

import json
import re
from functools import lru_cache

from ramify.adapters.columns import MOST_JSON, Levels
from ramify.adapters.completions import shortened
from ramify.tasks.strings.language import leaves, read_tree
from ramify.tasks.strings.task import LONGEST, StringPuzzle

_FUNCTION = re.compile(r"def\s\w{1,100}\(([\w\s,:=]{0,500})\)\s{0,9}:\s{0,99}return\b(.*)", re.DOTALL)


def string_puzzle(levels: Levels) -> StringPuzzle:
    """The item of a row.

    Raises:
        ValueError: the row has no ground truth of this task, or it is invalid; the message names the key.

    >>> truth = {"ref_code": "def main_solution(x):\\n    return func_9(func_3(x))", "ref_input": {"x": "cab"}}
    >>> string_puzzle(Levels({"gts": json.dumps({**truth, "ref_output": "abccba"})})).id
    'func_9(func_3(x)) at {"x": "cab"} → abccba'
    """
    truth = next((row for row, _ in levels.objects if "ref_code" in row), None)
    if truth is None:
        raise ValueError("no ref_code in the ground truth, so the program and its output are not known")
    code, inputs, output = truth["ref_code"], truth.get("ref_input"), truth.get("ref_output")
    name = truth.get("funcname", "main_solution")
    if not isinstance(code, str) or not isinstance(name, str) or len(code) > MOST_JSON:
        raise ValueError(f"ref_code = {shortened(code)} is not code of up to {MOST_JSON:,} characters")
    if not isinstance(output, str) or not _is_storable(output):
        raise ValueError(f"ref_output = {shortened(output)} is not a string of up to {LONGEST:,} characters")
    inputs = inputs if isinstance(inputs, dict) else {}
    given = json.dumps(inputs, ensure_ascii=False)
    if not all(isinstance(value, str) for value in inputs.values()) or not _is_storable(given):
        raise ValueError(
            f"ref_input = {shortened(inputs)} is not an object of strings, of up to {LONGEST:,} characters"
        )
    program = _program(code, name)
    if not inputs.keys() >= {leaf for leaf in leaves(read_tree(program)) if leaf.isidentifier()}:
        raise ValueError(f"ref_input = {shortened(inputs)} is not an object with every variable of ref_code")
    return StringPuzzle(program, given, output)


def _is_storable(value: str) -> bool:
    """Whether a table can hold a text: JSON may have unpaired surrogates."""
    return len(value) <= LONGEST and re.search("[\ud800-\udfff]", value) is None


@lru_cache(maxsize=20_000)
def _program(code: str, name: str) -> str:
    """The expression that a function returns, after the functions that it calls.

    >>> _program("def func_1(s):\\n    return s\\n\\ndef main(x):\\n    return func_1(x)", "main")
    'func_1(x)'
    """
    at = code.rfind(f"def {name}(")
    found = _FUNCTION.fullmatch(code, at) if at >= 0 else None
    if found is None:
        raise ValueError(
            f"ref_code = {shortened(code[-60:])} is not code that ends with the value of {shortened(name)}"
        )
    program = found[2].strip()
    read_tree(program)
    return program
