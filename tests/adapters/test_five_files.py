"""Five files of other people's shape, from the file to the report by the commands of docs/diagnose.md alone."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ramify import Run
from ramify.cli import app

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
BLOCKS = re.findall(r"<!-- run -->\n```bash\n(.*?)```", (ROOT / "docs" / "diagnose.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
FILES = {
    "my-verl-run": ("foreign/verl", 16, 0),
    "my-trl-run": ("foreign/trl", 16, 0),
    "my-gym-results": ("evals/reasoning-gym", 12, 0),
    "my-logs": ("evals/countdown.eval", 6, 2),
    "served.jsonl": ("evals/served.jsonl", 6, 0),
}


@pytest.mark.parametrize("name", FILES)
def test_from_file_to_report(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, completions, unread = FILES[name]
    if (GOLDEN / source).is_dir():
        shutil.copytree(GOLDEN / source, tmp_path / name)
    elif name.endswith(".jsonl"):
        shutil.copy(GOLDEN / source, tmp_path / name)
    else:
        (tmp_path / name).mkdir()
        shutil.copy(GOLDEN / source, tmp_path / name)
    (command,) = [line for line in COMMANDS if shlex.split(line)[:3] == ["ramify", "import", name]]
    done = CliRunner().invoke(app, shlex.split(command)[1:], standalone_mode=False)
    assert done.exception is None, done.output
    (folder,) = (tmp_path / "runs").iterdir()
    run = Run(folder)
    told = run.imported()
    assert told is not None
    assert (told["completions"], sum(told["unread"].values())) == (completions, unread)
    assert (folder / "report.html").is_file()
    assert run.estimates().height
    if name == "served.jsonl":
        correct = run.estimates().filter(metric="mean@2", by="all")["value"].to_list()
        assert correct == [0.5]
