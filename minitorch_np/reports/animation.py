"""An animation of the training: a figure of the model at regular intervals, written to one file.

Any function that draws a model can be used: `mt.plot_weights`, or `lambda model:
mt.plot_boundary(model, x, y)`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import IO, Any

from minitorch_np.arrays import StrPath
from minitorch_np.errors import ConfigurationError, optional
from minitorch_np.figures import Figure
from minitorch_np.io.atomic import replacing
from minitorch_np.training import Callback, Trainer
from minitorch_np.validation import number, require, whole
from minitorch_np.validation import path as checked_path

MOST_FRAMES = 200
"""The most frames; beyond it, every second one is dropped and the interval is doubled."""

LAST = 15
"""The last frame is shown this many times as long as the others."""


class Animation(Callback):
    """A callback for `fit` that draws the model as it learns, and writes the frames to one file.

    Parameters:
        path: the file, .gif (extra `images`) or .svg, which browsers play. It is written before
            training, so that errors show at once, and again at the end.
        draw: a function that takes the model and returns a matplotlib Figure.
        every: the number of steps between frames; None: a frame after each epoch.
        seconds: the time that a frame is shown.

    For a resumed run, the animation begins where it is resumed. Raises ConfigurationError for
    another kind of file, MissingExtraError without matplotlib or pillow, FileNotFoundError if the
    folder does not exist.
    """

    def __init__(
        self,
        path: StrPath,
        draw: Callable[[Any], Figure],
        every: int | None = None,
        seconds: float = 0.15,
    ) -> None:
        self.path = checked_path(self, "path", path)
        require(
            self.path.endswith((".gif", ".svg")), self, "a path that ends in .gif or .svg", path
        )
        require(callable(draw), self, "draw to be a function of the model", draw)
        self.draw = draw
        self.every = None if every is None else whole(self, "every", every)
        self.seconds = number(self, "seconds", seconds, above=0)

    def on_train_begin(self, trainer: Trainer, epochs: int, batches: int) -> None:
        self._frames: list[bytes] = []
        self._steps = trainer.run.epoch * batches + trainer.run.batch
        self._apart = self.every or batches
        self._take(trainer)
        self._write()

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        self._steps += 1
        if self._steps % self._apart:
            return
        self._take(trainer)
        if len(self._frames) > MOST_FRAMES:
            self._frames, self._apart = self._frames[::2], 2 * self._apart

    def on_train_end(self, trainer: Trainer) -> None:
        if self._steps % self._apart:  # always include the final state
            self._take(trainer)
        self._write()

    def _take(self, trainer: Trainer) -> None:
        figure = self.draw(trainer.model)
        if not hasattr(figure, "savefig"):
            raise ConfigurationError(
                f"Animation: expected draw to return a matplotlib Figure, got {figure!r:.60}"
            )
        where = {"ha": "right", "va": "bottom", "fontsize": 8}
        figure.text(0.995, 0.005, f"step {self._steps}", **where)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=100)
        self._frames.append(file.getvalue())

    def _write(self) -> None:
        with replacing(self.path) as file:
            if self.path.endswith(".gif"):
                write_gif(file, self._frames, self.seconds)
            else:
                file.write(as_svg(self._frames, self.seconds).encode())


def write_gif(file: IO[bytes], frames: list[bytes], seconds: float) -> None:
    """Write PNG pictures to a GIF that loops forever. Raises MissingExtraError without pillow."""
    image = optional("PIL.Image", "images", "writing a GIF")
    first, *others = (image.open(io.BytesIO(frame)).convert("RGB") for frame in frames)
    shown = [round(1000 * seconds)] * len(frames)
    shown[-1] *= LAST
    first.save(file, "GIF", save_all=True, append_images=others, duration=shown, loop=0)


def as_svg(frames: list[bytes], seconds: float) -> str:
    """PNG pictures as an SVG that loops forever; a viewer without animation shows the last one."""
    width, height = (int.from_bytes(frames[0][at : at + 4]) for at in (16, 20))
    ticks = len(frames) - 1 + LAST
    images = []
    for k, frame in enumerate(frames):
        begin, end = k / ticks, 1.0 if k == len(frames) - 1 else (k + 1) / ticks
        values, times = ("hidden;visible;hidden", f"0;{begin:.6f};{end:.6f}")
        if k == 0:
            values, times = "visible;hidden", f"0;{end:.6f}"
        images.append(
            f'<image width="{width}" height="{height}" '
            f'href="data:image/png;base64,{base64.b64encode(frame).decode()}">'
            f'<animate attributeName="visibility" calcMode="discrete" values="{values}" '
            f'keyTimes="{times}" dur="{ticks * seconds:g}s" repeatCount="indefinite"/></image>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(images)}</svg>'
    )
