"""Render the pages of the explorer: templates, style, script, and the policy that allows no other script."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib import resources

import jinja2
from markupsafe import Markup

from ramify.explore.source import Source
from ramify.report.links import link
from ramify.report.unbroken import unbroken


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("ramify.explore", "templates")
    found = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=loader
    )
    found.globals["link"] = link
    found.globals["unbroken"] = unbroken
    found.filters["percent"] = lambda share: "–" if share is None else f"{share:.0%}"
    return found


@cache
def script() -> str:
    """The script of the pages."""
    return (resources.files("ramify.explore") / "templates" / "view.js").read_text()


@cache
def _style() -> str:
    report = (resources.files("ramify.report") / "page.css").read_text()
    return report + (resources.files("ramify.explore") / "templates" / "view.css").read_text()


@cache
def policy() -> str:
    """The content security policy: no resource of another site, and no script but that of the pages."""
    own = b64encode(sha256(script().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{own}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def rendered(template: str, source: Source, title: str, **values: object) -> str:
    """A page."""
    return (
        _environment()
        .get_template(template)
        .render(
            title=title,
            source=source,
            version=source.version(),
            style=Markup(_style()),
            script=Markup(script()),
            **values,
        )
    )
