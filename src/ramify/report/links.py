"""Addresses: of the explorer's pages, and of files that a page carries in itself."""

from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    import polars as pl

PORT = 7070
"""The port of `ramify view`."""
MOST_GROUPS = 6
"""The number of groups named in an address; of more, all groups are shown."""


def link(path: str, **values: object) -> str:
    """An address with a query; empty values are left out, and lists repeat their name.

    >>> link("/structure", run="demo", step=0, n=None)
    '/structure?run=demo&step=0'
    """
    query = urlencode({name: value for name, value in values.items() if value not in (None, "", [])}, doseq=True)
    return f"{path}?{query}" if query else path


def in_view(runs: Sequence[str], data: "pl.DataFrame") -> str:
    """The address of the curves behind a figure, while `ramify view` serves the runs.

    Args:
        runs: the names of the run folders.
        data: the estimates of the figure.

    >>> import polars as pl
    >>> row = {"metric": "mean@4", "set": "test", "by": "n", "group": "3"}
    >>> in_view(["demo"], pl.DataFrame([row]))
    'http://127.0.0.1:7070/curves?run=demo&metric=mean%404&set=test&by=n&group=3'
    """
    chosen: dict[str, object] = {}
    if {"metric", "set", "by", "group"} <= set(data.columns) and len(data):
        metric, by = data["metric"][0], data["by"][0]
        shown = data.filter(metric=metric, by=by)
        sets, groups = (shown[column].unique(maintain_order=True).to_list() for column in ("set", "group"))
        chosen = {"metric": metric, "set": sets[0] if len(sets) == 1 else "", "by": by}
        chosen["group"] = groups if len(groups) <= MOST_GROUPS else []
    return f"http://127.0.0.1:{PORT}{link('/curves', run=list(runs), **chosen)}"


def inside(text: str, kind: str) -> str:
    """The address of a file that is in the page itself.

    Args:
        kind: its media type.

    >>> inside("a,b", "text/csv")
    'data:text/csv;base64,YSxi'
    """
    return f"data:{kind};base64,{b64encode(text.encode()).decode()}"
