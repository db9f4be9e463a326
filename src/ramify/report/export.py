"""Export the figures of a report as SVG, PNG and CSV."""

from pathlib import Path

from ramify.errors import require
from ramify.report.page import view_of
from ramify.report.story import story
from ramify.run import Run
from ramify.storage import write_bytes, write_text

ZOOM = 2
"""PNG pixels per unit of the drawing."""


def export_figures(run: Run, folder: Path) -> int:
    """Write the figures of a run's report into a folder; returns their number.

    Raises:
        MissingExtraError: the extra `report` is not installed.
    """
    require("ramify report --export", "report")
    import resvg_py

    certificate = run.certificate()
    count = 0
    for section in story(view_of(run), certificate).values():
        for figure in section.figures:
            path = folder / figure.name
            write_text(figure.file, path.with_suffix(".svg"))
            write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=figure.file, zoom=ZOOM)), path.with_suffix(".png"))
            write_text(figure.table, path.with_suffix(".csv"))
            count += 1
    return count
