"""The wheel and the sdist as a user gets them: their sizes, and what they do in an environment without the checkout.

`make release-check` runs all of it and prints sizes and times; the slow tests run what needs the base install only.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramify import __version__

ROOT = Path(__file__).parents[1]
MOST_BYTES = 8_000_000
"""Of the wheel, and of the sdist."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("release")]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True, capture_output=True)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    """A folder for a new environment; it takes gigabytes, so it goes at once."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=True)
    yield folder
    shutil.rmtree(folder)


def install(environment: Path, wheel: Path, extras: str = "") -> None:
    """Install the wheel with these extras, in the versions of constraints.txt; prints what it took."""
    start = time.monotonic()
    command = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    subprocess.run([*command, f"{wheel}{extras}"], check=True, env=clean())
    size = sum(file.lstat().st_size for file in environment.rglob("*") if file.is_file())
    print(f"\n{wheel.name}{extras}: installed in {time.monotonic() - start:.0f} s, {size / 1e6:,.0f} MB")


def clean() -> dict[str, str]:
    """The variables of this process without those that would show it the checkout."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}


def ramify(environment: Path, *arguments: str, code: int = 0) -> str:
    """What the installed command prints, results before errors, started beside the environment, not in the checkout."""
    command = [environment / "bin" / "ramify", *arguments]
    done = subprocess.run(command, cwd=environment.parent, env=clean(), capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")


def test_sizes_and_contents(dist: Path) -> None:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    print(f"\n{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB\n{sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB")
    assert max(wheel.stat().st_size, sdist.stat().st_size) <= MOST_BYTES
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.removeprefix("src/") for name in tracked.splitlines()} <= names
    assert {name.partition("/")[0] for name in names} == {"ramify", f"ramify-{__version__}.dist-info"}
    with tarfile.open(sdist) as archive:
        assert f"ramify-{__version__}/CITATION.cff" in archive.getnames()


def test_the_base_install_solves_imports_and_reports(dist: Path, environment: Path) -> None:
    wheel = next(dist.glob("*.whl"))
    install(environment, wheel)
    assert ramify(environment, "--version") == f"ramify {__version__}\n"
    assert ramify(environment, "solve", "3", "7", "8", "--target", "29").split() == ["A*B+C", "3*7+8", "=", "29"]
    run = environment.parent / "runs" / "my-run"
    shutil.copytree(ROOT / "tests" / "golden" / "foreign" / "verl", environment.parent / "my-run")
    assert re.search(r"\d completions of \d", ramify(environment, "import", "my-run"))
    (run / "report.html").unlink()
    assert "success" in ramify(environment, "report", "runs/my-run", "--text")
    ramify(environment, "report", "runs/my-run")
    assert "</html>" in (run / "report.html").read_text()
    lines = ramify(environment, "run", "quickstart", code=2).splitlines()
    assert lines[-1].endswith(f"pip install '{wheel}[train]'")
    assert not (environment.parent / "runs" / "quickstart").exists()


@pytest.mark.release
def test_the_demo_runs_from_the_wheel(dist: Path, environment: Path) -> None:
    install(environment, next(dist.glob("*.whl")), "[train,report]")
    start = time.monotonic()
    assert "report.html" in ramify(environment, "run", "quickstart", "--scale", "0.05")
    print(f"ramify run quickstart --scale 0.05: {time.monotonic() - start:.0f} s")
    assert (environment.parent / "runs" / "quickstart-x0.05" / "report.html").exists()
