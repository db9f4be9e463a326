"""Find the attempts in a completion: expressions that use each number of the puzzle exactly once.

An attempt is one expression, or built from steps (18+96=114, 91*24=2184, 2184/114). A step is a statement over numbers
of the puzzle and results of earlier steps. A result is identified by its stated value, or by its true value if none is
stated. An ambiguous number is resolved to the result of the previous step, else to an unused number of the puzzle, else
to an earlier result, latest first. A step inherits the mistakes of its results.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from ramify.algebra.expression import Expression, calculate
from ramify.algebra.notation import FRACTION, OPERATORS, as_they_look
from ramify.algebra.pattern import MAX_SIZE, Pattern
from ramify.algebra.signs import NEGATION, fold_signs
from ramify.records import Attempt
from ramify.tasks.answers import ANSWER_TAGS, answer_span
from ramify.tasks.countdown.grading import read_answer
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.statements import Postfix, Segment, Template, segments

MAX_LINKED = 8
"""The largest puzzle in which steps are linked."""
_KEPT_RESULTS = 2  # trees kept per value
_LONGEST_CLAIM = 40  # leaves of a stated value that is checked, at most
_OPERATION = re.compile(rf"{OPERATORS}|{FRACTION}")  # an answer without an operator is a value, not an attempt

_MARK = re.compile(r"[^0-9(\[{]*[-−]\s")

Value = int | Fraction
Values = Sequence[Value]
Pair = tuple[int, int]


class _Result(NamedTuple):
    """The result of an earlier step.

    Attributes:
        tree: postfix over numbers of the puzzle.
        start: start of its first step.
        stated: number of stated values.
        wrong: whether a stated value is wrong.
    """

    tree: Postfix
    start: int
    stated: int
    wrong: bool


def find_attempts(
    puzzle: Puzzle, text: str, partial: bool = False, tags: tuple[str, str] = ANSWER_TAGS, truncated: bool = False
) -> list[Attempt]:
    """All attempts in a completion, ordered by their end; never raises, linear in the text.

    Args:
        partial: also return statements and steps that use only some of the numbers, at least two.
        tags: the opening and closing answer tag.
        truncated: whether the sampler's limit ended the completion, as for `grade`.

    >>> puzzle = Puzzle((3, 7, 8), 29)
    >>> text = "Try (8-3)*7 = 36, no. 3×7 = 21, 21 + 8 = 29! <answer>3*7+8</answer>"
    >>> [(a.expression.text, a.hits_target, a.stepwise, a.miscalculated) for a in find_attempts(puzzle, text)]
    [('(8-3)*7', False, False, True), ('3*7+8', True, True, False), ('3*7+8', True, False, False)]
    """
    if not 2 <= len(puzzle.numbers) <= MAX_SIZE:
        return []
    span = answer_span(text, tags, open_ended=not truncated)
    text = as_they_look(text)
    search = _Search(puzzle, partial)
    if span is None or not _OPERATION.search(text, *span):
        search.read_text(text)
        return search.found
    # Split at the answer, so that no statement crosses its boundaries.
    search.read_text(text[: span[0]])
    search.read_answer(text[slice(*span)], span[0])
    search.read_text(text[span[1] :], span[1])
    return search.found


class _Search:
    """The state of the search: attempts found, and results available to later steps."""

    def __init__(self, puzzle: Puzzle, partial: bool) -> None:
        self.puzzle, self.partial = puzzle, partial
        self.numbers, self.target = puzzle.numbers, puzzle.target
        self.size = len(puzzle.numbers)
        self.wanted = sorted(map(str, puzzle.numbers))
        self.in_answer = False
        self.found: list[Attempt] = []
        self.results: dict[Value, list[_Result]] = {}
        self.latest: Value | None = None  # the result of the previous step

    def read_text(self, text: str, offset: int = 0) -> None:
        """Read a part of the completion that starts at an offset."""
        for segment in segments(text, offset):
            values = segment.values()
            last = segment.shape.statements[-1]
            for readings in segment.shape.statements:
                self.read(segment, values, readings, segment.stated if readings is last else None)

    def read_answer(self, answer: str, offset: int) -> None:
        """Read the answer as prose; if that does not hit the target, as the grader reads it.

        The grader joins the lines of an answer, and reads a leading minus as a sign, not as a list marker.
        """
        known = len(self.found)
        self.in_answer = True
        self.read_text(answer.replace("\n", " "), offset)
        self.in_answer = False
        whole = [attempt for attempt in self.found[known:] if len(attempt.expression.postfix) == 2 * self.size - 1]
        if not _MARK.match(answer):
            bare = answer.strip()
            start = offset + answer.index(bare)
            if any(attempt.hits_target for attempt in whole):
                return
            if len(whole) == 1 and (whole[0].start, whole[0].end) == (start, start + len(bare)):
                return  # it is the entire answer, so the grader reads the same
        statement = read_answer(self.puzzle, answer)
        if statement is None or not statement.expression.uses(self.numbers):
            return
        expression, value = statement.expression, statement.expression.value
        if any(attempt.value == value for attempt in whole):
            return
        self.found[known:] = [attempt for attempt in self.found[known:] if attempt not in whole]
        stated, wrong = len(statement.claims), not statement.holds
        hits = value is not None and value == self.target
        pattern = _pattern(expression.postfix, expression.negated)
        end = offset + len(answer)
        self.found.append(Attempt(offset, end, expression, pattern, hits, True, False, stated, wrong))

    def read(self, segment: Segment, values: Values, readings: tuple[Template, ...], stated: str | None) -> None:
        """Read one statement: a complete attempt, a step, or neither.

        Args:
            stated: the value stated in words, if any.
        """
        size, numbers = self.size, segment.numbers
        for template in readings:
            for part, places in template.plain:
                if len(places) == size and sorted([numbers[place] for place in places]) == self.wanted:
                    self._whole(segment, values, template, part, stated)
                    return
        if size <= MAX_LINKED:
            for template in reversed(readings):
                if self._chain(segment, template, values, stated):
                    return

    def _whole(self, segment: Segment, values: Values, template: Template, part: Postfix, stated: str | None) -> None:
        value = _value(part, values)
        wrong = bool(template.claims) and not _all_hold(template, segment, values, {id(part): value}, None)
        wrong = wrong or (stated is not None and not _is(value, stated))
        postfix, negated = (part[:-1], True) if part[-1] == NEGATION else (part, False)
        self.found.append(
            Attempt(
                segment.place(template.start),
                segment.place(template.end),
                Expression(tuple([item if item.__class__ is str else values[item] for item in postfix]), negated),  # type: ignore
                _pattern(postfix, negated),
                value is not None and value[0] == self.target * value[1],
                self.in_answer,
                False,
                len(template.claims) + (stated is not None),
                wrong,
            )
        )

    def _chain(self, segment: Segment, template: Template, values: Values, stated: str | None) -> bool:
        """Read a step, or a chain of them: 49 + 20 = 69 - 33 = 36. Returns whether it was one."""
        parts, leaves, at = template.parts, template.leaves, 0
        while at + 1 < len(parts) and len(leaves[at]) > 1 and len(leaves[at + 1]) > 1:
            one, lead = _value(parts[at], values), leaves[at + 1][:1]
            if one is None or Fraction(*one) != values[lead[0]] or _value(parts[at + 1], values) == one:
                break
            head = replace(template, parts=(parts[at], lead), claims=(), leaves=(leaves[at], lead))
            if not self._step(segment, head, values, None):
                return False
            at += 1
        if at:
            claims = tuple((parts[at], part) for part in parts[at + 1 :])
            template = replace(template, parts=parts[at:], claims=claims, leaves=leaves[at:])
        return self._step(segment, template, values, stated)

    def _step(self, segment: Segment, template: Template, values: Values, stated: str | None) -> bool:
        """Read a statement over results and numbers of the puzzle. Returns whether it was a step."""
        # In 21 = 3*7 the expression is the second part.
        chosen = 1 if len(template.leaves[0]) == 1 and len(template.leaves) > 1 else 0
        leaves = template.leaves[chosen]
        if not 2 <= len(leaves) <= self.size:
            return False
        linked = self._linked([values[leaf] for leaf in leaves])
        if linked is None:
            return False
        start, end = segment.place(template.start), segment.place(template.end)
        results = iter(linked)
        pieces: list[int | str] = []
        for item in template.parts[chosen]:
            pieces.extend((item,) if isinstance(item, str) else next(results).tree)
        postfix, negated = fold_signs(tuple(pieces)) if NEGATION in pieces else (tuple(pieces), False)
        tree = (*postfix, NEGATION) if negated else postfix
        value = _value(tree)
        stated_value = _last_stated(template, chosen, values) if stated is None else Fraction(stated.replace("−", "-"))
        wrong = any(result.wrong for result in linked) or not _all_hold(template, segment, values, {}, value)
        wrong = wrong or (stated is not None and not _is(value, stated))
        count = len(template.claims) + (stated is not None) + sum(result.stated for result in linked)
        steps = [result for result in linked if len(result.tree) > 1]
        result = _Result(tree, min([start, *(step.start for step in steps)]), count, wrong)
        if len(postfix) == 2 * self.size - 1 or self.partial:
            self.found.append(
                Attempt(
                    start=result.start,
                    end=end,
                    expression=Expression(postfix, negated),
                    pattern=_pattern(tuple(item if isinstance(item, str) else 0 for item in postfix), negated),
                    hits_target=value is not None and value[0] == self.target * value[1],
                    is_answer=self.in_answer,
                    stepwise=bool(steps),
                    stated=count,
                    miscalculated=wrong,
                )
            )
        self.latest = None
        if len(postfix) < 2 * self.size - 1:
            known = stated_value if stated_value is not None else Fraction(*value) if value is not None else None
            if known is not None:
                others = [other for other in self.results.get(known, []) if other.tree != tree]
                self.results[known] = [result, *others][:_KEPT_RESULTS]
                self.latest = known
        return True

    def _linked(self, operands: Values) -> list[_Result] | None:
        """Resolve each operand to a result or a number of the puzzle; None if a number is used too often."""
        choices = []
        for operand in operands:
            known = list(self.results.get(operand, ()))
            if operand in self.numbers:
                raw = _Result((int(operand),), 0, 0, False)
                known.insert(1 if operand == self.latest else 0, raw)
            if not known:
                return None
            choices.append(known)
        return next(_combinations(choices, Counter(self.numbers)), None)


@lru_cache(maxsize=1 << 14)
def _pattern(shape: Postfix, negated: bool = False) -> Pattern | None:
    return None if negated else Pattern.of(Expression(shape))


def _combinations(choices: Sequence[list[_Result]], left: Counter[int]) -> Iterator[list[_Result]]:
    """Yield one result per operand, earlier choices first, without using a number too often."""
    if not choices:
        yield []
        return
    for result in choices[0]:
        used = Counter(item for item in result.tree if isinstance(item, int))
        if used <= left:
            for rest in _combinations(choices[1:], left - used):
                yield [result, *rest]


def _last_stated(template: Template, chosen: int, values: Values) -> Value | None:
    """The value stated last in a step; None if there is none."""
    if len(template.parts) < 2:
        return None
    pair = _value(template.parts[0 if chosen else -1], values)
    return None if pair is None else Fraction(*pair)


def _all_hold(
    template: Template, segment: Segment, values: Values, known: dict[int, Pair | None], exact: Pair | None
) -> bool:
    """Whether every claim is true.

    Args:
        known: computed values, by the identity of the part.
        exact: the true value of the first part, if it may depend on rounded results.
    """
    for part, stated in template.claims:
        one = known[id(part)] if id(part) in known else _value(part, values)
        leaf = stated[0]
        if len(stated) == 1 and isinstance(leaf, int) and leaf > 0:  # most claims are a plain number
            number = values[leaf]
            if one is not None and one[0] == number * one[1]:
                continue
            if exact is None:
                return False
        slack = _slack(stated, segment)
        claimed = _value(stated, values)
        if _equal(one, claimed, slack):
            continue
        if exact is None or part is not template.parts[0] or not _equal(exact, claimed, slack):
            return False
    return True


def _is(value: Pair | None, stated: str) -> bool:
    """Whether a stated value is right, possibly rounded."""
    stated_value = Fraction(stated.replace("−", "-")).as_integer_ratio()
    _, _, places = stated.partition(".")
    return _equal(value, stated_value, 10 ** len(places) if places else 0)


def _slack(stated: Postfix, segment: Segment) -> int:
    """The reciprocal of the tolerance of a stated decimal, which may be rounded; 0 for an exact value."""
    leaf = stated[0]
    if len(stated) > 1 or not isinstance(leaf, int) or leaf >= 0:
        return 0
    found, separators = segment.shape.compounds[-leaf - 1]
    return 10 ** min(len(segment.numbers[found[-1]]), 20) if separators != "-" else 0


def _equal(one: Pair | None, other: Pair | None, slack: int) -> bool:
    if one is None or other is None:
        return False
    (a, b), (c, d) = one, other
    return a * d == c * b or (slack > 0 and 2 * abs(a * d - c * b) * slack <= abs(b * d))


def _value(part: Postfix, values: Values | None = None) -> Pair | None:
    """The exact value as numerator and denominator; None if undefined or excessively large."""
    if len(part) > 2 * _LONGEST_CLAIM:
        return None
    whole: list[int] = []  # the common case of integers only
    for item in part:
        if item.__class__ is int:
            leaf = item if values is None else values[item]
            if leaf.__class__ is not int:
                break
            whole.append(leaf)
            continue
        right = whole.pop()
        if item == "*":
            whole[-1] *= right
        elif item == "+":
            whole[-1] += right
        elif item == "-":
            whole[-1] -= right
        elif item == NEGATION:
            whole.append(-right)
        elif right and not whole[-1] % right:
            whole[-1] //= right
        else:
            break
    else:
        return whole[0], 1
    return _fraction(part, values)


def _fraction(part: Postfix, values: Values | None) -> Pair | None:
    stack: list[Pair] = []
    for item in part:
        if isinstance(item, int):
            leaf = item if values is None else values[item]
            stack.append((leaf, 1) if leaf.__class__ is int else leaf.as_integer_ratio())
            continue
        if item == NEGATION:
            stack[-1] = (-stack[-1][0], stack[-1][1])
            continue
        right = stack.pop()
        stack[-1] = calculate(item, stack[-1], right)
    return stack[0] if stack[0][1] else None
