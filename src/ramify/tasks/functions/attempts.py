"""Find what a completion executes: its steps, linked by their values into trees.

A step is a call with a stated value, such as zip(104,37) = 47. Its operands are strings of the program, or values that
earlier steps state. Where they are those of a call in the program, the step is that call. Elsewhere an operand is the
latest result of that value that no step has used, else a string of the program, else a result that was used, else a
string of its own. A result that no later step uses is an attempt: the tree that was executed, whose pattern is the
program's own if nothing was skipped, mixed up or made up. A step on results takes over their mistakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ramify.records import Attempt
from ramify.tasks.answers import ANSWER_TAGS, answer_span
from ramify.tasks.functions.grading import read_value
from ramify.tasks.functions.language import FUNCTIONS, LETTERS, Program, apply
from ramify.tasks.functions.puzzle import ProgramPuzzle
from ramify.tasks.functions.reading import Stated, stated

LARGEST = 200
"""Strings and functions below a call that is put together; what would be larger starts anew from its values."""


class Value(NamedTuple):
    """A value as an answer states it."""

    text: str

    @property
    def value(self) -> str:
        """The digits."""
        return self.text


class Fault(NamedTuple):
    """Where an execution goes wrong first.

    Attributes:
        part: the part of the program whose value is the first that is wrong or missing, inner before outer.
        is_missing: whether no value is stated of it, rather than a wrong one.
    """

    part: Program
    is_missing: bool


@dataclass(slots=True)
class _Result:
    """What a call came to.

    Attributes:
        tree: the calls that were executed for it, in postfix order.
        value: as it is stated, or the true one of a call within another, of which none is stated.
        wrong: whether a value that is stated of it, or of a result below it, is wrong.
        stated: how many values are stated.
        used: whether another call uses it, or it is stated again.
    """

    tree: tuple[str, ...]
    value: str
    wrong: bool
    stated: int
    start: int
    end: int
    used: bool = False


def find_attempts(
    puzzle: ProgramPuzzle, text: str, truncated: bool = False, tags: tuple[str, str] = ANSWER_TAGS
) -> list[Attempt]:
    """The trees that a completion executes, in the order in which they end, then the answer; never raises, linear.

    An answer has the pattern of the latest tree of its value. Without any step it stands for the program itself.

    Args:
        truncated: whether the sampler's limit ended the completion, as for `grade`.
        tags: what opens and closes an answer.

    >>> puzzle = ProgramPuzzle(Program.parse("zip(rev(401),sort(73))"))
    >>> text = "rev(401)=104\\nsort(73)=73\\nzip(104,73)=83\\n<answer>83</answer>"
    >>> [(a.expression.text, a.pattern.text, a.hits_target, a.miscalculated) for a in find_attempts(puzzle, text)]
    [('zip(rev(401),sort(73))', 'zip(rev(A),sort(B))', True, True), ('83', 'zip(rev(A),sort(B))', True, True)]
    >>> text = "rev(401)=104\\nzip(104,73)=83\\n<answer>83</answer>"
    >>> [(a.expression.text, a.hits_target, a.miscalculated) for a in find_attempts(puzzle, text)]
    [('zip(rev(401),73)', False, False), ('83', False, False)]
    """
    span = answer_span(text, tags, open_ended=not truncated)
    execution = _executed(puzzle.program, text, span)
    target = puzzle.target
    found = []
    for result in execution.results:
        if not result.used:
            tree = Program(result.tree)
            hits = tree.value == target
            at = result.start, result.end
            found.append(Attempt(*at, tree, tree.filled(LETTERS), hits, False, True, result.stated, result.wrong))
    answer = None if span is None else read_value(text[slice(*span)])
    if answer is not None and span is not None:
        found.append(_answer(puzzle, answer, span, execution.results, target))
    return found


def first_fault(program: Program, text: str, tags: tuple[str, str] = ANSWER_TAGS) -> Fault | None:
    """The first part of a program, inner before outer, whose value a completion does not state, or states wrongly.

    None: every value is stated and right.

    >>> program = Program.parse("zip(rev(401),sort(73))")
    >>> fault = first_fault(program, "rev(401)=104, sort(73)=73, zip(104,73)=83")
    >>> fault.part.text, fault.is_missing
    ('sort(73)', False)
    >>> fault = first_fault(program, "rev(401)=104, zip(104,73)=83")
    >>> fault.part.text, fault.is_missing
    ('sort(73)', True)
    """
    execution = _executed(program, text, answer_span(text, tags))
    calls = [at for at, item in enumerate(program.postfix) if item in FUNCTIONS]
    for at, part in zip(calls, program.subtrees(), strict=True):
        result = execution.of_call.get(at)
        if result is None or result.value != part.value:
            return Fault(part, result is None)
    return None


def _answer(
    puzzle: ProgramPuzzle, answer: str, span: tuple[int, int], results: Sequence[_Result], target: str
) -> Attempt:
    if not results:  # nothing else was said of how it came about
        right = answer == target
        return Attempt(*span, Value(answer), puzzle.pattern, right, True, False, 1, not right)
    for result in reversed(results):
        if result.value == answer:
            tree = Program(result.tree)
            hits = tree.value == target
            return Attempt(*span, Value(answer), tree.filled(LETTERS), hits, True, False, 1, result.wrong)
    return Attempt(*span, Value(answer), None, answer == target, True, False, 0, False)


def _executed(program: Program, text: str, answer: tuple[int, int] | None) -> "_Execution":
    """All that is stated outside the answer."""
    execution = _Execution(program)
    before, after = answer or (len(text), len(text))
    for said in stated(text[:before]):
        execution.read(said)
    for said in stated(text[after:], after):
        execution.read(said)
    return execution


class _Execution:
    """The results so far, and which calls of the program can be made with them.

    Calls of the program are known by their places in its postfix.
    """

    def __init__(self, program: Program) -> None:
        self.postfix, self.strings = program.postfix, {*program.leaves}
        self.results: list[_Result] = []
        self.of_call: dict[int, _Result] = {}
        self.latest: dict[str, _Result] = {}
        self.unused: dict[str, list[_Result]] = {}
        self.operands: dict[int, tuple[int, ...]] = {}
        self.parent: dict[int, int] = {}
        self.callable: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        places: list[int] = []
        for at, item in enumerate(program.postfix):
            if item in FUNCTIONS:
                cut = len(places) - FUNCTIONS[item].arity
                self.operands[at] = tuple(places[cut:])
                self.parent |= dict.fromkeys(places[cut:], at)
                del places[cut:]
                self._offer(at)
            places.append(at)

    def read(self, said: Stated) -> None:
        """Take in calls that are said to be equal to a value; all but the first say the same once more."""
        first, *others = said.calls
        stack: list[str | _Result] = []
        for at, item in enumerate(first, start=1):
            if item not in FUNCTIONS:
                stack.append(item)
                continue
            cut = len(stack) - FUNCTIONS[item].arity
            operands = stack[cut:]
            del stack[cut:]
            stack.append(self._call(item, operands, said, at == len(first), others))

    def _call(
        self,
        name: str,
        operands: Sequence[str | _Result],
        said: Stated,
        is_whole: bool,
        others: Sequence[tuple[str, ...]],
    ) -> _Result:
        values = tuple(each if isinstance(each, str) else each.value for each in operands)
        places = self.callable.get((name, values), [])
        if places and not is_whole and places[0] in self.of_call:
            return self.of_call[places[0]]  # its value is known
        if places:
            below = [self._at(place) for place in self.operands[places[0]]]
        else:
            below = [self._linked(each) if isinstance(each, str) else each for each in operands]
        tree = tuple(item for each in below for item in ((each,) if isinstance(each, str) else each.tree))
        if sum(item not in FUNCTIONS for item in tree) > len(LETTERS) or len(tree) > LARGEST:
            tree, below = values, []
        results = [each for each in below if isinstance(each, _Result)]
        truth = apply(name, *values)
        made = _Result(
            (*tree, name),
            said.value if is_whole else truth,
            any(each.wrong for each in results),
            sum(each.stated for each in results),
            min([said.start, *(each.start for each in results)]),
            said.end,
        )
        if is_whole:
            made.stated += 1
            made.wrong |= truth != said.value or any(Program(call).value != said.value for call in others)
        for each in results:
            each.used = True
        self._keep(made, places)
        return made

    def _linked(self, value: str) -> str | _Result:
        """What an operand of a call that the program does not have stands for."""
        waiting = self.unused.get(value, [])
        while waiting and waiting[-1].used:
            waiting.pop()
        if waiting:
            return waiting[-1]
        return value if value in self.strings else self.latest.get(value, value)

    def _keep(self, made: _Result, places: Sequence[int]) -> None:
        self.results.append(made)
        self.latest[made.value] = made
        self.unused.setdefault(made.value, []).append(made)
        for place in places:
            if place in self.of_call:
                self.of_call[place].used = True
            self.of_call[place] = made
        for place in places:
            if place in self.parent:
                self._offer(self.parent[place])

    def _at(self, place: int) -> str | _Result:
        """A string of the program, or what is known of a call of it."""
        return self.of_call[place] if place in self.operands else self.postfix[place]

    def _offer(self, place: int) -> None:
        """Make a call known by what it is applied to, where all of that is known."""
        operands = self.operands[place]
        if all(each not in self.operands or each in self.of_call for each in operands):
            below = map(self._at, operands)
            values = tuple(each if isinstance(each, str) else each.value for each in below)
            places = self.callable.setdefault((self.postfix[place], values), [])
            if place not in places:
                places.append(place)
