"""An argument parser that suggests the option or word that was probably meant."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from minitorch_np.signature import nearest
from minitorch_np.text import printable


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest valid option or choice."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        options = [option for option in unknown if re.match(r"--?[a-zA-Z]", option)]
        for option in options:  # handled here, where the verb's options are known
            name = option.partition("=")[0]
            known = list(self._option_string_actions)
            meant = nearest(name, known)
            advice = f"did you mean {meant}?" if meant else f"see {self.prog} --help"
            self.error(f"expected an option of {self.prog}, got {name}: {advice}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, with the nearest choice, and exit with 2."""
        wrong = re.search(r"invalid choice: '?([^'\s]+)'? \(choose from (.*)\)", message)
        if wrong and (meant := nearest(wrong[1], re.findall(r"\w+", wrong[2]))):
            message += f": did you mean {meant}?"
        super().error(printable(message))
