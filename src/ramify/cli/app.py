"""The typer application, and the arguments that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from ramify.console import listen
from ramify.errors import RamifyError
from ramify.manifest import version

app = typer.Typer(
    help="Measure which skills RL post-training taught a language model, in which order, and where composition fails.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ramify {version('ramify') or '(source tree, not installed)'}")
        raise typer.Exit


@app.callback()
def every_verb(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also print the run's log.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options of all verbs."""
    if quiet and verbose:
        raise RamifyError("--quiet --verbose: give one of the two")
    listen(quiet, verbose)


Overrides = Annotated[list[str] | None, typer.Argument(help="Setting overrides, such as train.steps=20.")]
Source = Annotated[str, typer.Argument(help="Name of a preset, or a .toml file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Root = Annotated[Path, typer.Option("--root", help="The folder of the run folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ray = Annotated[str | None, typer.Option(help="Score on a Ray cluster: an address, auto, or local.")]
