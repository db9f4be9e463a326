"""Take a part of a report as a PNG, in Chromium by playwright.

python docs/results/figure.py runs/quickstart/report.html docs/results/quickstart.png "#learned"
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main() -> None:
    """Open the report and take a picture of what a CSS selector finds."""
    report, picture, selector = sys.argv[1:]
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900}, device_scale_factor=2)
        page.goto(Path(report).resolve().as_uri())
        page.locator(selector).screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
