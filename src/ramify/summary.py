"""A run in few words, for a notebook."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import polars as pl

from ramify.tasks.base import EVALUATION_SETS

_TEMPLATE = """\
<div><p><b>{{ path }}</b></p>
<table>{% for fact, value in facts.items() %}<tr><th>{{ fact }}</th><td>{{ value }}</td></tr>{% endfor %}</table>
{% if rows %}<table><caption>success with 95 % intervals for new puzzles</caption>
<thead><tr><th>set</th><th>n</th><th>metric</th>
{%- for step in steps %}<th>{{ "base" if step == 0 else "step " ~ step }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr><td>{{ row.set }}</td><td>{{ row.n }}</td><td>{{ row.metric }}</td>
{%- for text in row.texts %}<td>{{ text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>{% endif %}
<p>{% if link %}<a href="{{ link }}">report</a>{% else %}{{ note }}{% endif %}</p></div>
"""


class Success(NamedTuple):
    """The success in puzzles of one set and n: the value with its interval at each step; "" without a value."""

    metric: str
    set: str
    n: str
    texts: list[str]


def interval_text(value: float, low: float | None, high: float | None, percent: bool = True) -> str:
    """A value with its interval.

    >>> interval_text(0.131, 0.1, 0.17), interval_text(1.74, None, None, percent=False)
    ('13.1% [10.0, 17.0]', '1.74')
    """
    scale, digits, sign = (100, 1, "%") if percent else (1, 2, "")
    ends = "" if low is None or high is None else f" [{low * scale:.{digits}f}, {high * scale:.{digits}f}]"
    return f"{value * scale:.{digits}f}{sign}{ends}".replace("-", "−")


def shortened(numbers: Sequence[int], most: int = 6) -> str:
    """Numbers as text; of more than `most`, the first ones and the last.

    >>> shortened([0, 20]), shortened(range(0, 201, 8), most=4)
    ('0, 20', '0, 8, …, 200')
    """
    listed = [str(number) for number in numbers]
    return ", ".join(listed if len(listed) <= most else [*listed[: most - 2], "…", listed[-1]])


def success(estimates: pl.DataFrame) -> tuple[list[int], list[Success]]:
    """The success (mean@k) by set and n, pooled over seeds, at the first and last checkpoint that every seed has.

    Returns:
        These checkpoints, at most two, and the rows; neither without estimates.
    """
    means = estimates.filter(pl.col("metric").str.contains("^mean@[0-9]+$"), pl.col("set") != "train", by="n")
    seeds = means["seed"].drop_nulls().n_unique()
    of_step = means.drop_nulls("seed").group_by("step").agg(pl.col("seed").n_unique())
    shared = of_step.filter(pl.col("seed") == seeds)["step"].sort().to_list()
    steps = list(dict.fromkeys((*shared[:1], *shared[-1:])))
    pooled = pl.col("seed").is_null() if seeds > 1 else pl.col("seed").is_not_null()
    found: dict[tuple[str, str, str], Success] = {}
    for row in means.filter(pooled, pl.col("step").is_in(steps), pl.col("value").is_not_null()).iter_rows(named=True):
        key = row["metric"], row["set"], row["group"]
        texts = found.setdefault(key, Success(*key, [""] * len(steps))).texts
        texts[steps.index(row["step"])] = interval_text(row["value"], row["low"], row["high"])
    order = [*EVALUATION_SETS, *sorted({row.set for row in found.values()} - {*EVALUATION_SETS})]
    return steps, sorted(found.values(), key=lambda row: (order.index(row.set), len(row.n), row.n, row.metric))


def facts_of(config: Mapping[str, Any], kind: str, seeds: Sequence[int], steps: Sequence[int]) -> dict[str, str]:
    """The name, task, model and trainer (or the imported folders), seeds and sampled checkpoints of a run, as text.

    >>> facts_of({"name": "mine", "imported": {"folders": ["logs"]}}, "countdown", [1], [0, 20])
    {'name': 'mine', 'task': 'countdown', 'imported from': 'logs', 'seeds': '1', 'checkpoints': '0, 20'}
    """
    found = {"name": str(config["name"]), "task": kind}
    if "model" in config:
        found["model"] = str(config["model"])
    if isinstance(config.get("train"), dict):
        found["trainer"] = str(config["train"].get("kind", ""))
    if isinstance(config.get("imported"), dict):
        folders = config["imported"].get("folders")
        found["imported from"] = ", ".join(map(str, folders)) if isinstance(folders, list) else ""
    return {**found, "seeds": shortened(seeds), "checkpoints": shortened(steps) or "none sampled"}


def summary_html(
    path: Path, facts: Mapping[str, str], estimates: pl.DataFrame | None, report: Path | None, note: str
) -> str:
    """A run as HTML: its facts, the success at the first and last checkpoint, and a link to its report.

    Args:
        facts: names and values, such as the task and the seeds.
        estimates: the table of estimates; None without one.
        report: the report; None without one.
        note: what a reader without a report can do.
    """
    import jinja2  # most processes print no run

    steps, rows = ([], []) if estimates is None else success(estimates)
    template = jinja2.Environment(autoescape=True).from_string(_TEMPLATE)
    link = None if report is None else _link(report)
    return template.render(path=path, facts=facts, steps=steps, rows=rows, link=link, note=note)


def _link(file: Path) -> str:
    """The address of a file: relative to the working directory where possible, since servers of notebooks refuse
    file: addresses."""
    there, here = file.resolve(), Path.cwd()
    return quote(there.relative_to(here).as_posix()) if there.is_relative_to(here) else there.as_uri()
