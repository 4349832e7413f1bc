"""A page in a browser, for the tests of pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_np.arrays import Array


class Opened:
    """A page in the browser, of which nothing may go wrong and nothing be sent."""

    def __init__(
        self,
        browser: Any,
        path: Path,
        width: int = 1000,
        fragment: str = "",
        scheme: str = "dark",
        **options: Any,
    ) -> None:
        self.view = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            accept_downloads=True,
            **options,
        )
        self.wrong: list[str] = []
        self.view.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.view.on("console", lambda message: self.wrong.append(message.text))
        self.view.on("request", self._request)
        self.view.goto(path.as_uri() + fragment)

    def _request(self, request: Any) -> None:
        if request.url.split(":")[0] not in ("file", "blob", "data"):
            self.wrong.append(request.url)

    def wait(self, expression: str) -> None:
        """Until something is true. (Playwright's own way evaluates text: the page forbids it.)"""
        for _ in range(1200):
            if self.view.evaluate(expression):
                return
            self.view.wait_for_timeout(25)
        raise AssertionError(f"not within half a minute: {expression}")

    def said(self, words: str) -> None:
        """Wait until the answer has these words in it."""
        self.wait(f"document.querySelector('#answer').textContent.includes({json.dumps(words)})")

    def seen(self) -> Array:
        return np.array(self.view.evaluate("Array.from(image)"))

    def violations(self, axe: str) -> list[str]:
        """What axe-core finds wrong with the page for people who can't see or hear it well."""
        self.view.evaluate(axe)  # not as a script of the page, which its policy may forbid
        found = self.view.evaluate("axe.run().then(each => each.violations)")
        return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]
