"""Rewards: what a grade is worth in training. Metrics never read them."""

from ramify.config import Config
from ramify.records import Grade, Verdict

_FORM = frozenset({Verdict.WRONG_VALUE, Verdict.WRONG_NUMBERS, Verdict.UNDEFINED})


class RewardConfig(Config):
    """The reward of a completion.

    >>> from ramify.records import Grade, Verdict
    >>> [REWARDS["paper"].of(Grade(verdict)) for verdict in (Verdict.CORRECT, Verdict.WRONG_VALUE, Verdict.UNPARSABLE)]
    [1.0, 0.1, 0.0]
    """

    correct: float = 1.0
    """A correct answer."""
    form: float = 0.0
    """A wrong answer in the right form: an expression between the answer tags. The paper gives 0.1."""
    wrong: float = 0.0
    """Anything else."""

    def of(self, grade: Grade) -> float:
        """The reward of a grade."""
        if grade.verdict is Verdict.CORRECT:
            return self.correct
        return self.form if grade.verdict in _FORM else self.wrong


REWARDS = {"pure": RewardConfig(), "paper": RewardConfig(form=0.1)}
"""Rewards by name: for a correct answer alone, and the paper's."""
