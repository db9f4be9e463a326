"""Checking data sets that others made."""

from ramify import Pattern, Puzzle
from ramify.tasks.countdown.splits import held_out_patterns
from ramify.tasks.countdown.verification import check_sets


def test_what_is_shared_forced_and_mislabelled() -> None:
    forced = Puzzle((3, 7, 8), 29, Pattern.parse("A*B+C"))
    wrong = Puzzle((3, 7, 8), 18, Pattern.parse("A*B+C"))  # 3+7+8
    none = Puzzle((1, 1, 1), 77)
    large = Puzzle(tuple(range(1, 10)), 5)
    train, test = check_sets({"my_train": [forced, forced, large], "test": [Puzzle((8, 7, 3), 29), wrong, none]})
    assert (train.puzzles, train.sizes, train.repeated, train.solved) == (3, {3: 2, 9: 1}, 1, 2)
    assert (train.forced, train.solving_patterns, train.is_clean) == (1.0, 1.0, True)
    assert (test.in_training, test.numbers_in_training, test.unsolvable, test.mislabelled) == (1, 2, 1, 1)
    assert not test.is_clean


def test_hold_outs_are_checked_on_training_sets() -> None:
    held_out = held_out_patterns(["A-B*C"], [3])
    sets = {"train": [Puzzle((9, 2, 3), 3)], "test": [Puzzle((9, 2, 4), 1)]}
    train, test = check_sets(sets, held_out)
    assert (train.solved_by_held_out, train.is_clean, test.is_clean) == (1, False, True)


def test_sets_without_a_training_set() -> None:
    (only,) = check_sets({"test": []})
    assert (only.puzzles, only.forced, only.is_clean) == (0, None, True)
