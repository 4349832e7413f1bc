"""The README's picture of the page: train the notes' network, draw a seven on its page, look.

Needs playwright and a Chromium.

    python -m benchmarks.screenshot [--out .github/page.png]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import minitorch_np as mt
from minitorch_np.errors import optional

SEVEN = [(0.3, 0.25), (0.7, 0.25), (0.45, 0.85)]
"""The stroke, in shares of the paper."""


def main() -> None:
    """Train, draw, look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=".github/page.png")
    out = parser.parse_args().out
    train = mt.data.load_mnist().train
    model = mt.notes_network("leaky_relu", "elu", seed=0)
    trainer = mt.Trainer(model, "softmax_cross_entropy", "adam(0.003)", seed=0)
    trainer.fit(train.features(), train.labels, epochs=30, batch_size=64)
    with tempfile.TemporaryDirectory() as folder:
        mt.page(model, Path(folder, "page.html"))
        take(Path(folder, "page.html").as_uri(), out)


def take(address: str, out: str) -> None:
    """Open a page, draw on it, and write what is seen to `out`."""
    api = optional("playwright.sync_api", "bench", "taking a picture of a page")
    with api.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        view = browser.new_page(viewport={"width": 1000, "height": 560})
        view.goto(address)
        box = view.locator("#paper").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
        view.mouse.move(*places[0])
        view.mouse.down()
        for place in places[1:]:
            view.mouse.move(*place, steps=8)
        view.mouse.up()
        view.wait_for_timeout(200)  # a few frames
        view.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    main()
