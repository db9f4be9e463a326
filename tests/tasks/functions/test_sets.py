"""The sets: same settings, same programs; and what a certificate finds."""

import pytest

from ramify import ConfigError
from ramify.tasks.base import SETS
from ramify.tasks.functions.drawing import is_held_back, is_live
from ramify.tasks.functions.language import Program
from ramify.tasks.functions.sets import certify, is_held_out, make_sets
from ramify.tasks.functions.structure import structure
from ramify.tasks.functions.task import FunctionsConfig
from ramify.tasks.registry import task_of
from ramify.tasks.reservation import is_reserved

SMALL = {
    "train": {1: 20, 2: 80},
    "test": {1: 10, 2: 24},
    "length": {3: 24, 5: 24},
    "held_out": {2: 8, 3: 8},
    "skills": {1: 10},
}


def small(**more: object) -> FunctionsConfig:
    return FunctionsConfig.check({"kind": "functions", **SMALL, **more})


def drawn(config: FunctionsConfig) -> dict[str, list[Program]]:
    return {name: [entry.puzzle.program for entry in some] for name, some in make_sets(config).sets.items()}


def test_same_settings_same_programs() -> None:
    assert drawn(small()) == drawn(small())
    assert drawn(small(seed=2))["test"] != drawn(small())["test"]
    assert drawn(small(train={1: 20, 2: 60}))["length"] == drawn(small())["length"]


def test_every_promise_is_kept() -> None:
    config = small()
    split = config.draw(lambda *_: None)
    sets = {name: [entry.puzzle for entry in some] for name, some in split.sets.items()}
    assert split.certificate["is_clean"]
    assert split.certificate["shortages"] == ()
    assert {name: len(some) for name, some in sets.items()} == {name: sum(SMALL[name].values()) for name in SETS}
    everything = [puzzle for some in sets.values() for puzzle in some]
    assert len({puzzle.id for puzzle in everything}) == len(everything)
    assert all(is_live(puzzle.program) for puzzle in everything)
    trained = {puzzle.pattern.text for puzzle in sets["train"]}
    assert {puzzle.pattern.text for puzzle in sets["test"]} <= trained
    assert set(config.trained_patterns()) == trained
    for puzzle in sets["train"]:
        assert not is_held_back(puzzle.program)
        assert not any(is_reserved(step.call) for step in puzzle.program.steps())
        assert not is_held_out(puzzle.program, config)
    for name in SETS[:-1]:
        assert all(is_reserved(puzzle.id) for puzzle in sets[name])
    assert all(is_held_out(puzzle.program, config) for puzzle in sets["held_out"])
    for name, counts in SMALL.items():
        assert {n: sum(p.size == n for p in sets[name]) for n in counts} == counts
    shapes = [structure(puzzle.program).shape_class for puzzle in sets["length"] if puzzle.size == 5]
    assert {"none", "left-heavy", "right-heavy", "balanced"} == {*shapes}


def test_a_shape_can_be_held_out() -> None:
    found = drawn(small(hold_out=[], hold_out_shapes=["right-heavy"], held_out={2: 12}))
    assert {structure(program).shape_class for program in found["held_out"]} == {"right-heavy"}
    assert "right-heavy" not in {structure(program).shape_class for program in found["train"] + found["test"]}
    assert "right-heavy" in {structure(program).shape_class for program in found["length"]}


def test_nothing_is_held_out_where_nothing_is_named() -> None:
    config = small(hold_out=[])
    assert drawn(config)["held_out"] == []
    assert config.asked()["held_out"] == {}


def test_a_certificate_counts_each_fault() -> None:
    config = small()
    found = drawn(config)
    clean = certify(found, config, [])
    assert clean.is_clean
    reserved, held = found["test"][0], found["held_out"][0]
    idle = Program.parse("sort(123)")
    faults = certify({**found, "train": [*found["train"], reserved, held, idle, idle]}, config, [])
    assert (faults.shared, faults.reserved_in_training >= 2, faults.held_out_in_training) == (2, True, 1)
    assert (faults.repeated, faults.idle) == (3, 2)
    assert not faults.is_clean
    strange = certify({**found, "test": [Program.parse("sort(sort(12))")]}, config, [])
    assert (strange.untrained, strange.unreserved_in_evaluation) == (1, int(not is_reserved("sort(sort(12))")))


def test_evaluation_does_not_depend_on_training() -> None:
    """Two runs that train on other depths are asked the same programs."""
    both, atoms = drawn(small(train={1: 80, 2: 1200})), drawn(small(train={1: 400}))
    assert all(both[name] == atoms[name] for name in SETS[:-1])


def test_a_shortage_is_said() -> None:
    split = make_sets(small(train={}, test={1: 5000}, length={}, held_out={}, skills={}, digits=[1, 1]))
    assert split.certificate["puzzles"]["test"] < 200
    assert split.certificate["shortages"][0].startswith("test of depth 1: ")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"hold_out": ["rev(A"]}, "not closed"),
        ({"hold_out": ["A"]}, "functions with letters"),
        ({"hold_out": ["rev(12)"]}, "functions with letters"),
        ({"digits": [3, 2]}, "fewest"),
        ({"digits": [1, 7]}, "fewest"),
        ({"functions": 4, "length": {5: 1}}, "at least 5"),
        ({"length": {9: 1}}, "1 to 8"),
        ({"prompt": "say {this}"}, "lacks {program}"),
    ],
)
def test_settings_that_cannot_work_are_one_sentence(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        small(**settings)


def test_a_task_is_read_from_saved_settings() -> None:
    task = task_of({"task": small().model_dump(mode="json")})
    assert isinstance(task, FunctionsConfig)
    assert task == small()


def test_a_table_gives_its_programs_back() -> None:
    config = small()
    tagged = config.draw(lambda *_: None).sets["length"]
    frame = config.frame(tagged)
    assert [puzzle.id for puzzle in config.puzzles_in(frame)] == [entry.puzzle.id for entry in tagged]
    assert frame["value"].to_list() == [entry.puzzle.target for entry in tagged]
    assert frame["n"].to_list() == frame["depth"].to_list()
    assert set(config.attributes(frame, []).columns) >= {"leaves", "functions"}
