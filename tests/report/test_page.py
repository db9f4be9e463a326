"""The page: complete, self-contained, and deaf to what completions say."""

import re
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from ramify import ExperimentConfig, Run
from ramify.analysis.rows import adjusted, rows
from ramify.errors import RunError
from ramify.experiment import open_run
from ramify.report import sections
from ramify.report.abstract import abstract, details, further, headline
from ramify.report.comparison import render_comparison
from ramify.report.examples import how
from ramify.report.export import export_figures
from ramify.report.figures import (
    Mark,
    Point,
    Series,
    cloud,
    line_panel,
    track,
)
from ramify.report.learned import learned_of
from ramify.report.page import render, view_of
from ramify.report.rows import interval_plot, stacked_bars
from ramify.report.story import story
from ramify.report.svg import standalone
from ramify.report.terminal import story_text
from ramify.report.view import View, changes, learned
from ramify.sampling.oracle import play
from ramify.stages.generate import generate
from ramify.stages.score import score
from ramify.tables import read_table, write_table
from ramify.tasks.countdown.oracle import Oracle
from ramify.tasks.functions.task import FunctionsConfig

VOID = ("meta", "br", "line", "circle", "polyline", "polygon", "rect")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.crossed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.append(tag)
        if tag not in VOID[:2]:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop() != tag:
            self.crossed.append(tag)


def test_completions_are_text(known_run: Run) -> None:
    page = render(known_run)
    tags = Tags()
    tags.feed(page)
    assert tags.open == tags.crossed == []
    assert tags.seen.count("script") == 1  # our own
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_only_our_script_may_run(known_run: Run) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', render(known_run))
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "img-src data:;" in policy[1]  # no address of another machine
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy[1])
    assert "unsafe-inline'; script" not in policy[1].replace("style-src 'unsafe-inline'; script", "")


def test_it_needs_no_network(known_run: Run) -> None:
    page = render(known_run)
    page = page.replace('href="http://127.0.0.1:7070/', 'href="#')  # the explorer, on the reader's machine
    assert not re.search(r"""src=|href=["'](?!#|data:)|https?://|@import|url\(""", page)
    assert len(page.encode()) < 1_500_000


def test_its_story(known_run: Run) -> None:
    page = render(known_run)
    headings = (
        "Success over training",
        "What was learned, and when",
        "Right-heavy against left-heavy",
        "Seen against held out",
        "Beyond pass@k",
        "Which structural features matter",
        "Where it fails",
        "Data, certificate and provenance",
    )
    assert [page.index(f"<h2>{heading}</h2>") for heading in headings] == sorted(
        page.index(f"<h2>{heading}</h2>") for heading in headings
    )
    assert '<span class="whole">0.0% [0.0, 10.2]</span> → <span class="whole">50.0%' in page
    assert "clean: 0 puzzles shared" in page
    assert len(set(re.findall(r'aria-label="tree of ([^"]*)"', page))) >= 18


def test_the_abstract_states_the_findings(known_run: Run) -> None:
    """Two puzzles a pattern are too few to show a gain for any of them, though together they show it."""
    view = view_of(known_run)
    success, acquired, limits = abstract(view)
    assert success.startswith("Success on unseen puzzles of trained patterns rose from 0.0% to 50.0%. It also rose on")
    assert success.endswith("Greedy success rose.")
    assert acquired.startswith("None of the 17 trained patterns of the smallest size improved clearly, after a corr")
    assert "earliest" not in acquired
    assert "Arithmetic accuracy rose by 50.0 points on the largest puzzles." in limits
    with_intervals = " ".join(details(view))
    assert "Success rose (base → step 4, mean@4): n = 3 0.0% [0.0, 10.2] → 50.0% [41.1, 58.9]; n = 4" in with_intervals
    assert "each tested alone: 17 not acquired. By the stricter tests" in with_intervals
    assert "17 patterns): 0 gained and 0 lost." in with_intervals


def test_a_sentence_of_the_abstract_has_at_most_two_numbers(known_run: Run) -> None:
    for sentence in re.split(r"(?<=[.]) (?=[A-Z])", " ".join(abstract(view_of(known_run)))):
        assert len(re.findall(r"[0-9]+(?:[.][0-9]+)?", sentence)) <= 2, sentence


def test_what_few_puzzles_cannot_tell_is_said_and_no_headline() -> None:
    wide = [rows("mean@4", "test", 1, "n", [0], ["3"], [np.full((1, 1), part) for part in (0.7, 0.6, 0.8)])]
    wide += [
        rows("right-heavy gap", "test", 1, "all", [0], ["all"], [np.full((1, 1), p) for p in (0.0, -0.313, 0.465)])
    ]
    effect = [np.array([[np.nan, part]]) for part in (0.3, 0.1, 0.5)]
    status = np.array([["too few right-heavy puzzles (4)", None]], object)
    wide += [rows("effect", "all", 1, "term", [0], ["right-heavy", "divisions"], effect, p=0.2, status=status)]
    view = View("small", adjusted(pl.concat(wide)))
    told = " ".join(story_text(view).split())
    assert "The effect of a right-heavy shape cannot be estimated: too few right-heavy puzzles (4)." in told
    assert "Not estimated: right-heavy: too few right-heavy puzzles (4)" in told
    assert "none significant" in told
    assert "31.3" not in told
    figure = sections.effects(view)[0]
    assert figure.heading.endswith("step 0")
    assert figure.note == "Not estimated: right-heavy (too few right-heavy puzzles (4))."


def test_what_was_acquired_is_named(known_run: Run) -> None:
    of_pattern = (pl.col("metric") == "acquisition") & (pl.col("by") == "pattern") & (pl.col("set") == "test")
    known = of_pattern & pl.col("group").is_in(["A+B+C", "A*B+C"])
    estimates = known_run.estimates().with_columns(
        status=pl.when(known).then(pl.lit("acquired")).otherwise("status"),
        value=pl.when(known).then(4.0).otherwise("value"),
    )
    write_table(estimates, known_run.estimates_file)
    _, acquired, _ = abstract(view_of(known_run))
    assert "The earliest acquisitions, by step 4: A*B+C and A+B+C." in acquired
    assert "each tested alone: 2 acquired, 15 not acquired." in " ".join(details(view_of(known_run)))
    assert [row["group"] for row in learned(view_of(known_run), 3)][:2] == ["A*B+C", "A+B+C"]
    assert render(known_run).index('"tree of A*B+C"') < render(known_run).index('"tree of A/B/C"')


def test_without_the_base_model_there_is_still_a_report(known_run: Run) -> None:
    estimates = known_run.estimates()
    write_table(
        estimates.filter(
            (pl.col("step") == 4) & ~pl.col("metric").str.contains("gain|acquisition|order|support|transfer")
        ),
        known_run.estimates_file,
    )
    page = render(known_run)
    assert "A gain needs a second checkpoint." in page
    assert "One checkpoint, step 4." in page
    assert story_text(view_of(known_run))


def test_changes_are_paired(known_run: Run) -> None:
    rows = {(row.label, row.metric): row.verdict for row in changes(view_of(known_run))}
    assert rows["n = 3", "mean@4"] == "rose"
    assert rows["n = 3", "attempts"] in ("no clear change", "no interval")


def test_the_terminal_tells_it_in_fifty_lines(known_run: Run) -> None:
    lines = story_text(view_of(known_run)).splitlines()
    assert 15 <= len(lines) <= 55
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize(("share", "said"), [(0.04, False), (0.06, True)])
def test_the_terminal_says_what_the_limit_on_length_cut(known_run: Run, share: float, said: bool) -> None:
    cut = (pl.col("metric") == "truncated") & (pl.col("set") == "length") & (pl.col("by") == "n")
    estimates = known_run.estimates().with_columns(value=pl.when(cut).then(share).otherwise("value"))
    _, found, after = story_text(View("known", estimates)).partition("raise max_new_tokens, or lengthen the context\n")
    assert bool(found) is said
    if said:
        assert "(longer)" in after.splitlines()[0]


def test_several_runs_side_by_side(known_run: Run) -> None:
    page = render_comparison([known_run, known_run])
    tags = Tags()
    tags.feed(page)
    assert tags.open == tags.crossed == []
    assert "Differences at the last checkpoint" in page
    assert page.count("<figure") >= 6
    summary = page.partition('id="answer"')[2].partition("</section>")[0]
    assert summary.count("</b>: Success on unseen puzzles of trained patterns rose from") == 2
    assert summary.count("<figure") == 1
    assert page.count('class="png"') == page.count("<figure") == page.count('.csv" href="data:text/csv;')
    of_success = re.findall(r'id="figure-(?:sampled|greedy)-[^"]*">.*?</figure>', page, re.DOTALL)
    assert len({tuple(re.findall(r'text-anchor="end">([^<]*%)<', part)) for part in of_success}) == 1


def test_every_figure_is_exported(known_run: Run, tmp_path: Path) -> None:
    count = export_figures(known_run, tmp_path)
    for kind in ("svg", "png", "csv"):
        assert len(list(tmp_path.glob(f"*.{kind}"))) == count >= 10
    for file in tmp_path.glob("*.svg"):
        ElementTree.parse(file)
    for file in tmp_path.glob("*.png"):
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 3000
    table = pl.read_csv(tmp_path / "success-test-n3.csv", infer_schema_length=None)
    assert set(table["metric"]) == {"mean@4", "greedy", "pass@4"}


def test_a_panel_draws_what_it_is_given() -> None:
    lines = [Series("one", "first", [Point(0, 0.1, 0.05, 0.2), Point(10, 0.4, 0.3, 0.5)], [[Point(0, 0.1)]])]
    svg = line_panel(lines, "a & b")
    assert svg.count("<polygon") == 1
    assert svg.count("<polyline") == 2
    assert "a &amp; b" in svg
    assert line_panel([], "nothing") == ""


def test_both_intervals_are_drawn_and_told() -> None:
    """A stroke with two ends for each point of a line, two ends for each mark; none for a point without them."""
    points = [Point(0, 0.1, 0.05, 0.15), Point(10, 0.4, 0.3, 0.5, 0.35, 0.45)]
    drawn = line_panel([Series("mean@4", "first", points)], "l")
    assert drawn.count("first again") == 3
    assert "40.0% [30.0, 50.0], retrained [35.0, 45.0]" in drawn
    marks = [Mark("a", "left", points[:1]), Mark("b", "left", points[1:])]
    assert interval_plot(marks, "l", "axis").count("left again") == 2


def test_other_figures_draw_what_they_are_given() -> None:
    svg = interval_plot([Mark("one", "left", [Point(0, -0.1, -0.2, 0.1)]), Mark("two", "left", [])], "x", "axis")
    assert svg.count("<circle") == 1
    assert svg.count('class="line left"') == 1
    assert "−20%" in svg
    assert interval_plot([Mark("none", "left", [])], "x", "axis") == ""
    assert stacked_bars([("n = 3", [("base", "first", 0.25), ("both", "left", 0.75)])], "x").count("<rect") == 2
    assert cloud([(0.5, 0.2, "first", "A+B"), (0.1, 0.9, "first", "A<B")], "x", ("a", "b")).count("<circle") == 2
    assert "A&lt;B" in cloud([(0.1, 0.9, "first", "A<B")], "x", ("a", "b"))
    assert track("already present", None, 10, "left").count("<circle") == 1
    assert track("not acquired", None, 10, "left").count("<circle") == 0


def test_a_file_of_its_own_has_its_colours() -> None:
    panel = line_panel([Series("one", "first", [Point(0, 0.1), Point(1, 0.2)])], "x")
    svg = standalone(panel, "a < b", [("one", "first")])
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "var(" not in svg
    assert "a &lt; b" in svg


def with_oracle(folder: Path, steps: dict[int, list[int]], success: Callable, samples: int = 4) -> Run:
    """A run with these checkpoints of each seed, written by an oracle and scored."""
    sets = {"train": {3: 17}, "test": {3: 34}, "length": {}, "held_out": {3: 4}, "skills": {}}
    config = ExperimentConfig.check({"name": "odd", "task": sets})
    run = open_run(config, folder)
    generate(config, run, lambda *_: None)
    for seed, checkpoints in steps.items():
        play(Oracle(success, styles=["plain"]).completions, run, checkpoints, [seed], samples)
    score(run, lambda *_: None)
    return run


def test_what_fell_is_not_called_a_gain(tmp_path: Path) -> None:
    run = with_oracle(tmp_path, {1: [0, 9]}, lambda puzzle, step, seed: 0.95 if step == 0 else 0.0, samples=16)
    success, acquired, _ = abstract(view_of(run))
    assert "unseen puzzles of trained patterns fell from 9" in success
    assert acquired.startswith("None of the 17 trained patterns of the smallest size improved clearly")
    assert acquired.endswith("Success fell on 17 of them.")
    assert re.search(r"17 lost again[.] .*: 0 gained and 1[67] lost", " ".join(details(view_of(run))))


@pytest.mark.slow
def test_seeds_that_did_not_get_equally_far(tmp_path: Path) -> None:
    """The report ends with the last checkpoint that all seeds have."""
    run = with_oracle(tmp_path, {1: [0, 2, 4, 10, 20], 2: [0, 2, 4, 10]}, lambda puzzle, step, seed: 0.1 + step / 40)
    view = view_of(run)
    assert (view.steps, view.last) == ([0, 2, 4, 10], 10)
    assert [point.step for point in view.points(view.mean, "test", "n", "3")] == [0, 2, 4, 10]
    assert "Success rose (base → step 10, mean@4): n = 3" in details(view)[0]
    page = render(run)
    assert "retrained [" in page  # in the table of the changes
    assert 'class="line first again"' in page


@pytest.mark.slow
def test_puzzles_that_were_not_asked_are_not_shown(tmp_path: Path) -> None:
    run = with_oracle(tmp_path, {1: [0, 9]}, lambda *_: 0.2)
    file = run.completions_file(1, "test", 9)
    table = read_table(file)
    first = sorted(table["puzzle_id"].unique())[:20]
    write_table(table.filter(~pl.col("puzzle_id").is_in(first)), file)
    for kind in ("grades", "attempts"):
        run.derived_file(kind, 1, "test", 9).unlink()
    score(run, lambda *_: None)
    assert "Where it fails" in render(run)


@pytest.mark.slow
def test_without_base_but_with_rollouts(tmp_path: Path) -> None:
    run = with_oracle(tmp_path, {1: [9]}, lambda *_: 0.4)
    columns = {"puzzle_id": ["a", "a"], "pattern": ["A*B+C"] * 2, "reward": [0.0, 1.0]}
    write_table(pl.DataFrame(columns), run.rollouts_file(1, 30))
    run.estimates_file.unlink()
    score(run, lambda *_: None)
    assert view_of(run).last == 9  # not where training is
    assert render(run)
    assert export_figures(run, tmp_path / "figures") > 0


def test_a_run_without_samples_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no completions at the sampling temperature"):
        with_oracle(tmp_path, {1: [0]}, lambda *_: 0.4, samples=0)


def test_values_beyond_the_others_are_on_the_axis() -> None:
    """Six steps at 10 and one at 280: that one is drawn at the end of the axis, which reaches it."""
    marks = [Mark(f"row {i}", "left", [Point(0, 10.0, 8, 12)]) for i in range(6)]
    svg = interval_plot([*marks, Mark("late", "right", [Point(0, 280.0, 200, 900)])], "x", "step", percent=False)
    assert "300" in svg
    assert svg.count("›") == 1


def test_every_figure_has_its_files_and_its_view(known_run: Run) -> None:
    """The page carries the same files as the export."""
    page = render(known_run)
    found = [
        figure for section in story(view_of(known_run), known_run.certificate()).values() for figure in section.figures
    ]
    assert page.count("<figure class=") == len(found) >= 10
    for figure in found:
        (part,) = re.findall(rf'id="figure-{re.escape(figure.name)}">.*?</figure>', page, re.DOTALL)
        files = dict(re.findall(r'download="[^"]*[.](\w+)" href="data:[^;]*;base64,([^"]*)"', part))
        assert b64decode(files["svg"]).decode() == figure.file
        assert b64decode(files["csv"]).decode() == figure.data.write_csv()
        assert 'href="http://127.0.0.1:7070/curves?run=known&amp;' in part


def test_names_of_metrics_follow_the_task() -> None:
    views = View("", pl.DataFrame()), View("", pl.DataFrame(), task=FunctionsConfig())
    assert [view.words("execution gain") for view in views] == ["arithmetic accuracy gain", "execution accuracy gain"]
    assert [view.words("mean@8") for view in views] == ["mean@8", "mean@8"]


def test_equal_patterns_are_one_line(known_run: Run) -> None:
    """Nine patterns that stay at 0% are one line that names them; of three, each is a card."""
    view = view_of(known_run)
    texts = sorted(view.groups(view.mean, "test", "pattern"))[:9]
    for still in (texts, texts[:3]):
        zero = (pl.col("metric") == view.mean) & (pl.col("by") == "pattern") & pl.col("group").is_in(still)
        estimates = view.estimates.with_columns(value=pl.when(zero).then(0.0).otherwise("value"))
        size = learned_of(View("v", estimates), 3)
        folded = [(line, sorted(of)) for line, of in size.folded]
        assert folded == ([("not acquired, 0% → 0%", texts)] if len(still) == 9 else [])
        assert len(size.cards) == size.total - (9 if folded else 0)
        assert {card.text for card in size.cards} | {text for _, of in folded for text in of} >= set(texts)
    write_table(view.estimates.with_columns(value=pl.when(zero).then(0.0).otherwise("value")), known_run.estimates_file)
    assert "patterns, in order of acquisition" in render(known_run)


def test_the_legend_names_the_shapes_that_are_there(known_run: Run) -> None:
    """Without a pattern of four numbers there is none that is balanced."""
    view = view_of(known_run)
    small = View("v", view.estimates.filter(~pl.col("group").str.contains("D")))
    assert [size.shapes for n in small.shaped_sizes if (size := learned_of(small, n)).total] == [
        {"left-heavy", "right-heavy"}
    ]


def test_a_gain_that_few_puzzles_cannot_tell_is_no_number(known_run: Run) -> None:
    view = view_of(known_run)
    gain = (pl.col("metric") == f"{view.mean} gain") & (pl.col("by") == "pattern")
    ends = {"low": -0.6, "high": 0.6, "value": 0.0}
    wide = view.estimates.with_columns(**{k: pl.when(gain).then(v).otherwise(k) for k, v in ends.items()})
    assert {card.gain for card in learned_of(View("v", wide), 3).cards} == {
        f"too few puzzles ({n}) to say" for n in (2, 4)
    }


def test_what_an_example_says_of_too_few_puzzles(known_run: Run) -> None:
    """0.0% [0.0, 79.3] is no finding."""
    view = view_of(known_run)
    rate = (pl.col("metric") == "attempt rate") & (pl.col("by") == "pattern")
    low, high = (pl.when(rate).then(end).otherwise(name) for end, name in ((0.0, "low"), (0.793, "high")))
    told = how(View("v", view.estimates.with_columns(low=low, high=high)), "test", "A*B+C")
    assert told.startswith("Success: too few") and "tried in: too few puzzles (34) to say" in told
    assert "hit by its tries where it can 100.0% [51.0, 100.0]" in told and "79.3" not in told


def test_the_first_screen_is_three_sentences_and_a_picture(known_run: Run) -> None:
    view = view_of(known_run)
    first = headline(view)
    assert [sentence.count(". ") for sentence in first] == [0, 0, 0]
    told = " ".join([*first, *further(view)])
    assert sorted(told.split()) == sorted(" ".join(abstract(view)).split())  # nothing is lost
    summary = render(known_run).partition('id="answer"')[2].partition("</section>")[0]
    assert summary.count("<li>") - summary.count("<li><svg") == 3
    assert summary.count("<figure") == 1
    assert 'id="figure-overview"' in summary
