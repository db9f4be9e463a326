"""The rules of other graders, restated without executing model output.

The rules are those of public code at the end of 2025: TinyZero's countdown score as in the paper's code (the last
answer on one line; the digits found in it; Python's `eval`; a tolerance of 1e-5), and reasoning-gym 0.1.25 (the last
answer; the integers found in it; sympy, where dividing by zero is infinity; numpy's isclose with an absolute
tolerance of 1e-6). Constructs that require execution (names, attributes, calls other than sqrt, abs and factorial)
count as wrong here, and so do powers too large to compute, on which both would hang.
"""

import ast
import math
import re
from fractions import Fraction

from ramify.tasks.countdown.puzzle import Puzzle

_OPEN, _CLOSE = "<answer>", "</answer>"
_PLAIN = re.compile(r"[\d+\-*/().\s]+", re.ASCII)
_DIGITS, _WHOLE = re.compile(r"[0-9]+"), re.compile(r"\b[0-9]+\b")
_FACTORIAL = re.compile(r"([0-9]+)!")
_LONGEST = 2_000
_MOST_BITS = 10_000

Number = int | float | Fraction


def is_correct_for_tinyzero(puzzle: Puzzle, text: str) -> bool:
    """Whether the TinyZero-style grader gives the full score.

    >>> puzzle = Puzzle((2, 3, 1), 9)
    >>> [is_correct_for_tinyzero(puzzle, f"<answer>{a}</answer>") for a in ("(2+1)*3", "2**3+1", "(2+1)*3 = 9")]
    [True, True, False]
    """
    answer = _last_answer(text, one_line=True)
    if answer is None or not _PLAIN.fullmatch(answer) or not _same_numbers(_DIGITS, answer, puzzle):
        return False
    value = _evaluated(answer, exact=False)
    return value is not None and abs(value - puzzle.target) < 1e-5


def is_correct_for_reasoning_gym(puzzle: Puzzle, text: str) -> bool:
    """Whether the reasoning-gym-style grader gives the full score.

    >>> puzzle = Puzzle((37, 27, 1, 101), 999)
    >>> is_correct_for_reasoning_gym(puzzle, "<answer>37*27+1/101</answer>")
    True
    """
    answer = _last_answer(text, one_line=False)
    if answer is None or not _same_numbers(_WHOLE, answer, puzzle):
        return False
    value = _evaluated(_FACTORIAL.sub(r"factorial(\1)", answer), exact=True)
    return value is not None and abs(value - puzzle.target) <= 1e-6 + 1e-5 * abs(puzzle.target)


def _last_answer(text: str, one_line: bool) -> str | None:
    """The last match of `<answer>(.*?)</answer>`, matching from the left; linear time."""
    found, position, close, line = None, 0, 0, 0
    while (start := text.find(_OPEN, position)) >= 0:
        start += len(_OPEN)
        close = text.find(_CLOSE, start) if close < start else close
        if close < 0:
            break
        line = text.find("\n", start) if 0 <= line < start else line
        if one_line and start <= line < close:
            position = start
            continue
        found, position = text[start:close].strip(), close + len(_CLOSE)
    return found


def _same_numbers(pattern: re.Pattern[str], answer: str, puzzle: Puzzle) -> bool:
    if len(answer) > _LONGEST:
        return False
    return sorted(map(_as_number, pattern.findall(answer))) == sorted(_as_number(str(n)) for n in puzzle.numbers)


def _as_number(digits: str) -> tuple[int, str]:
    stripped = digits.lstrip("0")
    return len(stripped), stripped


def _evaluated(text: str, exact: bool) -> float | None:
    """The value of an arithmetic expression in Python's grammar; in fractions if `exact`, as in sympy."""
    try:
        return float(_value(ast.parse(text.strip(), mode="eval").body, exact))
    except (SyntaxError, ValueError, ArithmeticError, TypeError, RecursionError, MemoryError):
        return None


def _value(node: ast.AST, exact: bool) -> Number:
    match node:
        case ast.Constant():
            value = node.value
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise ValueError
            return Fraction(str(value)) if exact else value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, exact)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, exact)
        case ast.BinOp(left=left, op=operator, right=right):
            return _applied(operator, _value(left, exact), _value(right, exact), exact)
        case ast.Call(func=ast.Name(id="sqrt"), args=[operand], keywords=[]) if exact:
            return math.sqrt(_value(operand, exact))
        case ast.Call(func=ast.Name(id="abs"), args=[operand], keywords=[]) if exact:
            size = _value(operand, exact)
            return -size if size < 0 else size
        case ast.Call(func=ast.Name(id="factorial"), args=[operand], keywords=[]) if exact:
            number = _value(operand, exact)
            if number > 1_000 or number != int(number):
                raise ValueError
            return Fraction(math.factorial(int(number)))
    raise ValueError


def _applied(operator: ast.operator, left: Number, right: Number, exact: bool) -> Number:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return math.inf if exact and right == 0 and left != 0 else left / right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
        case ast.BitXor() if exact and left == int(left) and right == int(right):
            return Fraction(int(left) ^ int(right))
        case ast.Pow():
            if abs(float(right)) * max(math.log2(abs(float(left)) or 1), 1) > _MOST_BITS:
                raise OverflowError
            power = left**right
            if isinstance(power, int | float | Fraction):
                return power
    raise ValueError
