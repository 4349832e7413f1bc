"""The pages in numbers: their size, the time of a frame, and their agreement with Python.

Needs playwright and a Chromium. Run it on an idle machine.

    python -m benchmarks.pages
"""

import base64
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array
from minitorch_np.errors import optional
from minitorch_np.text import aligned

Stroke = list[tuple[float, float]]

STROKES: dict[int, list[Stroke]] = {
    0: [[(0.5, 0.2), (0.3, 0.35), (0.3, 0.65), (0.5, 0.8), (0.7, 0.65), (0.7, 0.35), (0.5, 0.2)]],
    1: [[(0.5, 0.2), (0.5, 0.8)]],
    2: [[(0.3, 0.3), (0.5, 0.2), (0.68, 0.32), (0.3, 0.8), (0.72, 0.8)]],
    3: [[(0.3, 0.2), (0.65, 0.2), (0.5, 0.45), (0.7, 0.65), (0.5, 0.85), (0.3, 0.8)]],
    4: [[(0.35, 0.2), (0.3, 0.5), (0.7, 0.5)], [(0.65, 0.2), (0.65, 0.85)]],
    5: [[(0.68, 0.2), (0.35, 0.2), (0.33, 0.48), (0.6, 0.48), (0.66, 0.68), (0.5, 0.82),
         (0.3, 0.78)]],
    6: [[(0.6, 0.18), (0.36, 0.5), (0.36, 0.75), (0.6, 0.8), (0.66, 0.6), (0.4, 0.55)]],
    7: [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)]],
    8: [[(0.5, 0.5), (0.34, 0.33), (0.5, 0.2), (0.66, 0.33), (0.34, 0.68), (0.5, 0.82),
         (0.66, 0.68), (0.5, 0.5)]],
    9: [[(0.66, 0.35), (0.5, 0.2), (0.36, 0.34), (0.5, 0.48), (0.66, 0.35), (0.62, 0.85)]],
}  # fmt: skip
"""The strokes of each digit, as fractions of the paper's size."""


def drawings(rng: np.random.Generator, each: int) -> Iterator[tuple[int, list[Stroke]]]:
    """Each digit several times, in different sizes, places and slants."""
    for digit, strokes in STROKES.items():
        for _ in range(each):
            size, turn, shift = (
                rng.uniform(0.5, 1.2),
                rng.uniform(-0.15, 0.15),
                rng.uniform(-0.1, 0.1, 2),
            )
            moved = [
                size * (np.array(s) - 0.5) @ [[1, turn], [-turn, 1]] + 0.5 + shift for s in strokes
            ]
            yield digit, [np.clip(points, 0.02, 0.98).tolist() for points in moved]


def draw(view: Any, strokes: list[Stroke]) -> None:
    """Draw strokes on a page with the mouse, and wait for its prediction."""
    box = view.locator("#paper").bounding_box()
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        view.mouse.move(*places[0])
        view.mouse.down()
        for place in places[1:]:
            view.mouse.move(*place)
        view.mouse.up()
    while view.evaluate("waiting"):
        view.wait_for_timeout(5)


IMAGES = """text => {
  const pixels = Float64Array.from(bytesOf(text), v => v / 255), found = [];
  for (let k = 0; k < pixels.length; k += 784) found.push(Array.from(probabilities(
    forward(network.layers, pixels.slice(k, k + 784)).at(-1))));
  return found;
}"""
"""The page's probabilities for images in base64."""

FRAMES = """async count => {
  const found = [];
  for (let k = 0; k < count; k++) {
    await new Promise(requestAnimationFrame);
    const began = performance.now();
    const { data, width, height } = pen.getImageData(0, 0, paper.width, paper.height);
    const grey = zeros(width * height);
    for (let k = 0; k < grey.length; k++) grey[k] = data[4 * k];
    image = prepare(grey, width, height);
    look();
    document.body.getBoundingClientRect();  // the layout too
    found.push(performance.now() - began);
  }
  return found;
}"""
"""The milliseconds of a frame of drawing: read, prepare, forward, paint, lay out."""

PLAYED = """async count => {
  const found = [];
  stop();
  goal = Infinity;
  for (let k = 0; k < count; k++) {
    await new Promise(requestAnimationFrame);
    const began = performance.now();
    run();
    cancelAnimationFrame(frame);
    document.body.getBoundingClientRect();
    found.push(performance.now() - began);
  }
  return found;
}"""
"""The milliseconds of a frame of the playground: five steps, and painting."""


def trained(model: mt.Sequential, epochs: int) -> mt.Sequential:
    """The model, trained on the digits that come with the package."""
    train = mt.data.load_mnist().train
    trainer = mt.Trainer(model, "softmax_cross_entropy", "adam(0.003)", seed=0)
    x = train.features().reshape(-1, *model.input_shape)
    trainer.fit(x, train.labels, epochs=epochs, batch_size=64, verbose=0)
    return model


def agreement(view: Any, model: mt.Sequential) -> str:
    """200 images of the test set through the page and through Python."""
    test = mt.data.load_mnist().test.take(slice(200))
    x = test.features().reshape(-1, *model.input_shape)
    p, q = model.predict_proba(x), in_float64(model).predict_proba(x)
    found = np.array(view.evaluate(IMAGES, base64.b64encode(test.images.tobytes()).decode()))
    same = int((found.argmax(axis=1) == p.argmax(axis=1)).sum())
    return (
        f"{same} of 200 classes equal, probabilities within {np.abs(found - p).max():.0e} of those "
        f"in float32, {np.abs(found - q).max():.0e} of those in float64"
    )


def in_float64(model: mt.Sequential) -> mt.Sequential:
    """The same model computing in float64, as the page does."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.npz"))
        same = mt.Sequential.load(Path(folder, "model.npz"))
    same.initialize(model.input_shape, rng=np.random.default_rng(0), dtype=np.float64)
    same.load_state_dict(model.state_dict())
    return same


def drawn(view: Any, model: mt.Sequential) -> str:
    """40 drawn digits: the page's predictions compared with Python's for the same pixels."""
    same = right = count = 0
    for digit, strokes in drawings(np.random.default_rng(0), 4):
        view.click("#clear")
        draw(view, strokes)
        seen: Array = np.array(view.evaluate("Array.from(image)"), np.float32)
        said = model.predict_classes(seen.reshape(1, *model.input_shape))[0]
        same += view.inner_text("#answer").startswith(f"It reads {said},")
        right, count = right + (said == digit), count + 1
    return f"{same} of {count} as Python says; {right} read as what was meant"


def milliseconds(times: list[float]) -> str:
    """The median, the 95th percentile and the longest."""
    middle, slow = np.percentile(times[5:], [50, 95])  # the first compile the script
    return f"{middle:.1f} ms, 95 % below {slow:.1f}, longest {max(times[5:]):.1f}"


def main() -> None:
    """Train, write the pages, open them, measure."""
    api = optional("playwright.sync_api", "bench", "measuring pages")
    rows = [("page", "what", "measured")]
    models = {
        "notes' network": trained(mt.notes_network("leaky_relu", "elu", seed=0), 20),
        "LeNet-5": trained(mt.lenet5(seed=0), 2),
    }
    with tempfile.TemporaryDirectory() as folder, api.sync_playwright() as running:
        program = shutil.which("chromium")
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1000, "height": 900})
        path = Path(folder, "page.html")
        for name, model in models.items():
            mt.page(model, path)
            weights = sum(4 * p.size for p in model.named_parameters().values()) * 4 / 3
            size = path.stat().st_size
            rows.append(
                (name, "size", f"{size:,} bytes, {size - weights:,.0f} without the weights")
            )
            view.goto(path.as_uri())
            rows.append((name, "200 images", agreement(view, model)))
            rows.append((name, "drawn digits", drawn(view, model)))
            rows.append((name, "a frame", milliseconds(view.evaluate(FRAMES, 100))))
        mt.playground(path)
        rows.append(("playground", "size", f"{path.stat().st_size:,} bytes"))
        for layers in ("8-Tanh_8-Tanh", "32-GELU_32-GELU_32-GELU"):
            view.goto(f"{path.as_uri()}#layers={layers}")
            view.reload()
            rows.append(("playground", layers, milliseconds(view.evaluate(PLAYED, 100))))
        test = mt.data.load_mnist().test
        step = mt.trace(models["notes' network"], "softmax_cross_entropy",
                        test.features()[:16], test.labels[:16])  # fmt: skip
        step.to_html(path)
        rows.append(("trace", "size, 16 images", f"{path.stat().st_size:,} bytes"))
        browser.close()
    print("\n".join(aligned(rows)))


if __name__ == "__main__":
    main()
