"""The fast tests of all that needs no torch, on the other Pythons that the machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_TORCH = ["algebra", "tasks", "adapters/test_foreign.py", "report/test_page.py", "test_imports.py"]
WITHOUT_TORCH += ["test_public_api.py", "test_conformance.py", "test_errors.py"]


def interpreter(version: str) -> str | None:
    """A Python of this version that starts: on the path, or of pyenv."""
    of_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *map(str, of_pyenv)):
        if candidate and not subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode:
            return candidate
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_fast_tests_pass(version: str, tmp_path: Path) -> None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip(f"these tests run on Python {version} themselves")
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    environment = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True)
    try:
        own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        bin = environment / "bin"
        packages = [str(ROOT), "pytest", "pytest-xdist", "hypothesis"]
        install = [bin / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *packages]
        subprocess.run(install, check=True, env=own)
        tests = [ROOT / "tests" / name for name in WITHOUT_TORCH]
        command = [bin / "python", "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", *tests]
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        print(f"\nPython {version}: {done.stdout.strip().splitlines()[-1]}")
    finally:
        shutil.rmtree(environment)
