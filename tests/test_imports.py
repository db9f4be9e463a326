"""What an import costs: no torch, no trainer, no network client, no compiler."""

import subprocess
import sys

import pytest

HEAVY = "scipy torch transformers trl datasets openai vllm requests httpx numba"


HELP = """
from ramify.cli import app
from typer.testing import CliRunner
assert not CliRunner().invoke(app, ["--help"]).exit_code
"""


@pytest.mark.parametrize("code", ["import ramify", HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    check = f"{code}\nimport sys\nprint([name for name in '{HEAVY}'.split() if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
