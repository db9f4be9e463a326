"""Take sections of a report as a PNG, with a headless Chromium.

python docs/results/figure.py runs/quickstart-seeds/report.html docs/results/quickstart.png success seen
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HEIGHT_OF_SECTION = 372


def main() -> None:
    """Hide everything but the sections and take a picture."""
    report, picture, *sections = sys.argv[1:]
    kept = "".join(f":not(#{section})" for section in sections)
    style = f"header, .answer, main > section{kept}, section > p {{ display: none }} h2 {{ margin-top: 12px }}"
    style += "body { padding-bottom: 8px } :root { color-scheme: light }"
    page = Path(report).read_text().replace("</head>", f"<style>{style}</style></head>")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.html").write_text(page)
        subprocess.run(
            [
                "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--force-device-scale-factor=2",
                f"--window-size=1120,{HEIGHT_OF_SECTION * len(sections)}",
                f"--screenshot={Path(picture).resolve()}",
                f"file://{folder}/page.html",
            ],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    main()
