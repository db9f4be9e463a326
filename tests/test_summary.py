"""What a prompt and a notebook show of a run: true, escaped, and never an error."""

import json
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from ramify import Run
from ramify.config import digest_of
from ramify.schemas import ESTIMATES
from ramify.summary import success, summary_html

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\"'&"


class Parsed(HTMLParser):
    """The tags and cells of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def estimates(*rows: tuple[str, str, int, int | None, str, float | None]) -> pl.DataFrame:
    keys = ("metric", "set", "step", "seed", "group", "value")
    blank = dict.fromkeys(ESTIMATES)
    return pl.DataFrame([{**blank, "by": "n", **dict(zip(keys, row, strict=True))} for row in rows], schema=ESTIMATES)


def test_a_notebook_shows_settings_success_and_the_report(known_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(known_run.path.parent)
    run = Run(Path(known_run.path.name))
    known_run.report_file.write_text("")
    page = Parsed(run._repr_html_())
    for fact, value in {"name": "tiny", "task": "countdown", "model": "bundled", "checkpoints": "0, 4"}.items():
        assert page.texts[page.texts.index(fact) + 1] == value
    value, low, high = (
        run.estimates()
        .filter(metric="mean@4", set="test", step=4, by="n", group="3", seed=1)
        .select("value", "low", "high")
        .row(0)
    )
    assert value == 0.5
    assert f"50.0% [{100 * low:.1f}, {100 * high:.1f}]" in page.texts
    assert page.texts.count("mean@4") == 4  # of four sets, each with puzzles of one n
    assert page.links == [f"{run.path.name}/report.html"]


def test_a_prompt_shows_task_seeds_and_checkpoints(known_run: Run) -> None:
    shown = f"Run({str(known_run.path)!r}, task='countdown', seeds='1', checkpoints='0, 4')"
    assert repr(known_run) == shown


def test_without_tables_there_are_settings_and_what_to_do(known_run: Run) -> None:
    known_run.estimates_file.unlink()
    page = Parsed(known_run._repr_html_())
    assert "countdown" in page.texts
    assert f"no report: ramify report {known_run.path} writes it" in page.texts
    assert "%" not in "".join(page.texts)


@pytest.mark.parametrize("damaged", ["config.json", "estimates.parquet"])
def test_a_damaged_run_is_shown_with_its_fault(known_run: Run, damaged: str) -> None:
    (known_run.path / damaged).write_text("{")
    assert "damaged" in known_run._repr_html_()
    assert repr(known_run).startswith(f"Run({str(known_run.path)!r}")


def test_what_others_wrote_is_escaped(known_run: Run, tmp_path: Path) -> None:
    """The name, the model, the folder and the sets of a run may be of somebody else."""
    saved = json.loads(known_run.config_file.read_text())
    config = {**saved["config"], "name": HOSTILE, "model": HOSTILE, "train": {"kind": HOSTILE}}
    known_run.config_file.write_text(json.dumps({**saved, "config": config, "digest": digest_of(config)}))
    folder = known_run.path.rename(tmp_path / "<b>&\x1b'\" 1")
    run = Run(folder)
    run.report_file.write_text("")
    page = Parsed(run._repr_html_())
    assert page.texts.count(HOSTILE) == 3
    assert {"img", "script"}.isdisjoint(page.tags)
    assert page.tags.count("b") == 1
    assert page.links == [run.report_file.as_uri()]
    assert "\x1b" not in repr(run)
    rows = estimates((f"mean@4{HOSTILE}", "test", 0, 1, "3", 0.5), ("mean@4", HOSTILE, 0, 1, HOSTILE, 0.5))
    shown = Parsed(summary_html(folder, {HOSTILE: HOSTILE}, rows, None, HOSTILE))
    assert "img" not in shown.tags
    assert shown.texts.count(HOSTILE) == 5  # the fact, its value, the set, the group and the note


def test_success_is_that_of_the_checkpoints_of_every_seed() -> None:
    """The second seed has not come to step 9, and the pooled rows are those without a seed."""
    rows = [("mean@2", "test", step, seed, "3", 0.1 * step) for step in (0, 5) for seed in (1, 2, None)]
    rows += [("mean@2", "test", 9, 1, "3", 0.9), ("mean@2", "test", 9, None, "3", 0.8)]
    rows += [("mean@2", "mine", 5, None, "10", 0.25), ("mean@2", "length", 0, None, "10", 0.5)]
    rows += [("mean@2", "length", 5, None, "9", 0.75), ("mean@2 gain", "test", 5, None, "3", 0.5)]
    rows += [("mean@2", "train", 7, None, "3", 0.5), ("mean@2", "test", 5, None, "4", None)]
    steps, found = success(estimates(*rows))
    assert steps == [0, 5]
    assert [tuple(row) for row in found] == [
        ("mean@2", "test", "3", ["0.0%", "50.0%"]),
        ("mean@2", "length", "9", ["", "75.0%"]),
        ("mean@2", "length", "10", ["50.0%", ""]),
        ("mean@2", "mine", "10", ["", "25.0%"]),
    ]
    assert success(estimates()) == ([], [])
    assert success(estimates(("mean@2", "test", 4, 1, "3", 0.5)))[0] == [4]
