"""The documentation: its links lead somewhere, its commands exist, and those marked `<!-- run -->` run."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from ramify import ExperimentConfig
from ramify.cli import app
from ramify.config import presets
from ramify.models.checkpoints import model_path
from server import NAME, Server, serving

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "foreign"
EVALS = ROOT / "tests" / "golden" / "evals"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = [page for page in PAGES if "<!-- run -->" in page.read_text()]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md", *ROOT.glob("src/**/*.md")], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def blocks(page: Path) -> list[str]:
    """Shell commands of a page, one a line, those of indented blocks included."""
    text = page.read_text()
    fenced = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    indented = re.findall(r"^    (?:\$ )?(.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", "\n".join([fenced, *indented]))
    return [line for line in joined.splitlines() if line.strip()]


def ramify_commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in blocks(page):
            for part in line.split("&&"):
                words = part.strip().removeprefix(".venv/bin/").removeprefix("CUDA_VISIBLE_DEVICES=0 ")
                if re.match(r"ramify \w", words):
                    found.append((name(page), words))
                elif "-m ramify " in words:
                    found.append((name(page), "ramify " + words.partition("-m ramify ")[2]))
    return found


def test_there_are_commands() -> None:
    assert len(ramify_commands()) > 50


@pytest.mark.parametrize(("page", "command"), ramify_commands())
def test_commands_exist(page: str, command: str) -> None:
    words = shlex.split(command.replace("$SERVER", "http://127.0.0.1:8000/v1"), comments=True)[1:]
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert words[0] in verbs, words[0]
    known = {option for parameter in verbs[words[0]].params for option in parameter.opts}
    options = [word.partition("=")[0] for word in words[1:] if word.startswith("--")]
    assert set(options) - {"--help"} <= known
    overrides = [word for word in words[1:] if re.match(r"[a-z_]+(\.[a-z_0-9]+)*=", word)]
    another = page.startswith("docs/adding-")  # the task of a package that is not installed; followed by tests/tasks
    if words[0] in ("run", "train", "generate", "sample") and overrides and not another:
        source = words[1] if words[1] in presets() else "sweep" if words[0] == "sample" else "quickstart"
        ExperimentConfig.load(source, overrides)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name)
def test_marked_commands_run(page: Path, tmp_path: Path) -> None:
    """Each page in a folder that has what its reader has."""
    shutil.copytree(GOLDEN / "verl", tmp_path / "my-verl-run")
    shutil.copytree(GOLDEN / "trl", tmp_path / "my-trl-run")
    for step in (50, 100):
        shutil.copytree(model_path("bundled"), tmp_path / "my-checkpoints" / f"checkpoint-{step}")
    shutil.copytree(EVALS / "reasoning-gym", tmp_path / "my-gym-results")
    (tmp_path / "my-logs").mkdir()
    shutil.copy(EVALS / "countdown.eval", tmp_path / "my-logs")
    shutil.copy(EVALS / "served.jsonl", tmp_path)
    row = '{"puzzle": {"nums": [3, 7, 8], "goal": 29}, "reply": "<answer>3*7+8</answer>", "at": 10, "paid": 1}\n'
    (tmp_path / "mine.jsonl").write_text(row)
    truth = {"ref_code": "def main_solution(x):\n    return func_3(x)", "ref_input": {"x": "cab"}, "ref_output": "abc"}
    (tmp_path / "my-string-run").mkdir()
    row = json.dumps({"input": "", "output": '{"output": "abc"}', "gts": json.dumps(truth), "step": 5})
    (tmp_path / "my-string-run" / "5.jsonl").write_text(row)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    script = "\n".join(re.findall(r"<!-- run -->\n```bash\n(.*?)```", page.read_text(), re.DOTALL))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with serving(Server()) as url:
        environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "SERVER": url, "MODEL": NAME}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=1200,
        )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


@pytest.mark.parametrize("file", sorted((ROOT / "examples").iterdir()), ids=lambda file: file.name)
def test_examples_have_the_right_form(file: Path) -> None:
    if file.suffix == ".sbatch":
        assert subprocess.run(["bash", "-n", file]).returncode == 0
        assert "#SBATCH --time" in file.read_text()
    elif file.suffix == ".yaml":
        import yaml

        assert all(yaml.safe_load_all(file.read_text()))
    else:
        compile(file.read_text(), file.name, "exec")
        assert len(file.read_text().splitlines()) <= 30


PROSE_WIDTH = 120


def prose(page: Path) -> list[str]:
    """The lines of a page without code, which is fenced or indented by four, and tables."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if not line.startswith(("|", "    "))]


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("src/**/*.md")], ids=name)
def test_lines_of_prose_fit(page: Path) -> None:
    assert [line for line in prose(page) if len(line) > PROSE_WIDTH] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "install.md"], ids=name)
def test_how_extras_are_installed_stands_in_one_place(page: Path) -> None:
    """A release changes that page only; `.[train]` works from a checkout before and after it."""
    assert not re.search(r"install\s[^\n`]*ramify\[", page.read_text())


def test_metadata_agree() -> None:
    import yaml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["repository-code"] == project["urls"]["Homepage"]
    extras = set(re.findall(r"`([\w-]+)`", (ROOT / "docs" / "install.md").read_text().partition("## What")[0]))
    assert project["optional-dependencies"].keys() - {"dev", "docs", "bench"} <= extras
    forms = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]
    assert all(yaml.safe_load(form.read_text()) for form in forms)
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_every_exception_of_the_coverage_is_listed() -> None:
    """The page on inference names each interval that covers less than 93 % or more than 97 %, with the number."""
    text = (ROOT / "docs" / "inference.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    measured = {
        (estimand, side, f"{share.removesuffix(' %')} ({study})")
        for study, estimand, same, _, new, *_ in (row for row in rows if len(row) == 9 and "%" in row[2])
        for side, share in (("same", same), ("new", new))
        if not 93 <= float(share.removesuffix(" %")) <= 97
    }
    start = next(n for n, row in enumerate(rows) if row == ["estimand", "same puzzles", "new puzzles"])
    listed = {
        (row[0], side, one)
        for row in itertools.takewhile(lambda row: len(row) == 3, rows[start + 2 :])
        for side, column in (("same", row[1]), ("new", row[2]))
        for one in re.findall(r"[0-9.]+ \([^)]+\)", column)
    }
    assert len(measured) > 10
    assert listed == measured
