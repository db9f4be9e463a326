"""Reward functions of grades. Metrics never use them."""

from typing import Annotated, Any

from pydantic import Field

from ramify.config import Config
from ramify.records import Grade, Verdict

Reward = Annotated[float, Field(ge=-1000, le=1000)]

_FORM = frozenset({Verdict.WRONG_VALUE, Verdict.WRONG_NUMBERS, Verdict.UNDEFINED})


class RewardConfig(Config):
    """The reward of a completion.

    >>> from ramify.records import Grade, Verdict
    >>> verdicts = (Verdict.CORRECT, Verdict.WRONG_VALUE, Verdict.UNPARSABLE)
    >>> [REWARDS["paper"].score(Grade(verdict)) for verdict in verdicts]
    [1.0, 0.1, 0.0]
    """

    correct: Reward = 1.0
    """Reward of a correct answer."""
    form: Reward = 0.0
    """Reward of a wrong answer in the right form, such as an expression; 0.1 in the paper."""
    wrong: Reward = 0.0
    """Reward of any other completion."""

    @classmethod
    def spelled_out(cls, name: str) -> dict[str, Any]:
        """The settings of a named reward."""
        if name not in REWARDS:
            raise ValueError(f"there are {', '.join(REWARDS)}; or give correct, form and wrong")
        return REWARDS[name].model_dump()

    @property
    def label(self) -> str:
        """The reward in words.

        >>> REWARDS["paper"].label, RewardConfig().label
        ('1 if correct, 0.1 if wrong in the right form, else 0', '1 if correct, else 0')
        """
        form = "" if self.form == self.wrong else f"{self.form:g} if wrong in the right form, "
        return f"{self.correct:g} if correct, {form}else {self.wrong:g}"

    def score(self, grade: Grade) -> float:
        """The reward of a grade."""
        if grade.verdict is Verdict.CORRECT:
            return self.correct
        return self.form if grade.verdict in _FORM else self.wrong


REWARDS = {"pure": RewardConfig(), "paper": RewardConfig(form=0.1)}
"""Named rewards: for correct answers only, and the paper's."""
