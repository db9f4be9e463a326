"""The application, and the arguments that several verbs take."""

from pathlib import Path
from typing import Annotated

import typer

from ramify.console import listen
from ramify.errors import RamifyError
from ramify.manifest import version

app = typer.Typer(
    help="See what RL post-training taught a language model: which skills, in which order, where composing them fails.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ramify {version('ramify') or 'of a source tree that is not installed'}")
        raise typer.Exit


@app.callback()
def every_verb(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors, no progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print all that goes into the run's log.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """See what RL post-training taught a language model: which skills, which order, where composing them fails."""
    if quiet and verbose:
        raise RamifyError("--quiet --verbose: give one of the two")
    listen(quiet, verbose)


Overrides = Annotated[list[str] | None, typer.Argument(help="Settings on top, such as train.steps=20.")]
Source = Annotated[str, typer.Argument(help="A preset's name or a .toml file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Root = Annotated[Path, typer.Option("--root", help="The folder that holds the run folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ray = Annotated[str | None, typer.Option(help="Score on a Ray cluster: its address, auto, or local.")]
