"""A package that is added to ramify from outside, as an installer leaves it, and commands that see it."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.M | re.S)


def install(page: str, folder: Path, module: str | None = None) -> Path:
    """Install the module and the entry point of a page into a folder.

    Args:
        module: the code in the place of that of the page.
    """
    ((group, points),) = tomllib.loads(blocks(page, "toml")[0])["project"]["entry-points"].items()
    ((name, value),) = points.items()
    code = value.partition(":")[0]
    info = folder / f"{code}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{code}.py").write_text(blocks(page, "python")[0] if module is None else module)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {code}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    return folder


def python(package: Path, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python where the package is installed."""
    path = os.pathsep.join([str(package), *sys.path])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd or package,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )


def command(page: str, start: str) -> list[str]:
    """The arguments of the indented command of a page that starts with these words, such as `ramify import`."""
    text = re.sub(r"\\\n\s*", "", (PAGES / page).read_text())
    line = next(line for line in text.splitlines() if line.startswith(f"    {start}"))
    return ["-m", *shlex.split(line)]
