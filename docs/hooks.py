"""What the site takes from outside of docs/: the cards of the bundled models, the changes, and the examples."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "models/base.md": "src/ramify/models/bundled/base/README.md",
    "models/base-naive.md": "src/ramify/models/bundled/base-naive/README.md",
    "models/functions.md": "src/ramify/models/bundled/functions/README.md",
    "changes.md": "CHANGELOG.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, and the examples as they are."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for example in sorted((ROOT / "examples").iterdir()):
        files.append(File.generated(config, f"examples/{example.name}", content=example.read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to these files lead to where they are in the site."""
    up = "../" * page.file.src_uri.count("/")
    for target, source in PAGES.items():
        markdown = re.sub(rf"\]\((?:\.\./)+{re.escape(source)}", f"]({up}{target}", markdown)
    return re.sub(r"\]\((?:\.\./)+examples/", f"]({up}examples/", markdown)
