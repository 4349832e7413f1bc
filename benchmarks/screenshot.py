"""The README's pictures of the pages: a seven drawn for the notes' network, a spiral learned in the
playground.

Needs playwright and a Chromium.

    python -m benchmarks.screenshot [--out .github]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import minitorch_np as mt
from benchmarks.pages import STROKES, draw, trained
from minitorch_np.errors import optional

SPIRAL = "#data=spirals&noise=0.05&points=300&layers=20-ELU_20-Tanh&rate=0.1&batch=4&steps=8000"
"""The settings of the playground."""


def main() -> None:
    """Train, draw, take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=".github", help="the folder (default: %(default)s)")
    out = Path(parser.parse_args().out)
    api = optional("playwright.sync_api", "bench", "taking a picture of a page")
    with tempfile.TemporaryDirectory() as folder, api.sync_playwright() as running:
        program, path = shutil.which("chromium"), Path(folder, "page.html")
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1000, "height": 560})
        mt.page(trained(mt.notes_network("leaky_relu", "elu", seed=0), 30), path)
        view.goto(path.as_uri())
        draw(view, STROKES[7])
        view.wait_for_timeout(200)  # a few frames
        view.screenshot(path=out / "page.png")
        mt.playground(path)
        view.set_viewport_size({"width": 1000, "height": 720})
        view.goto(path.as_uri() + SPIRAL)
        view.reload()
        while view.evaluate("playing"):
            view.wait_for_timeout(50)
        view.screenshot(path=out / "playground.png")
        browser.close()


if __name__ == "__main__":
    main()
