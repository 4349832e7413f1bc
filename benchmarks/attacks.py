"""Do hostile and damaged files ever do more than raise an error of this package's own?

Model files, weights, checkpoints, CSV, IDX and ONNX files, pictures and logs are damaged in their
bytes, edited in what they say, and made to ask for more than they hold; commands get odd words.
Each attack follows from its kind and its number.
They run in processes of their own, which look at each one:

- no exception but a MinitorchError or an OSError of the system's (a file that is not there);
- no module is imported that a file names;
- at most 500 MB of memory and 5 seconds;
- what is accepted is right: a checkpoint goes on to the same parameters, a table has the numbers
  that Python's own `csv` and `int` read in it, and a run with other settings is refused.

    python -m benchmarks.attacks [--per-kind 3000] [--seed 0] [--kinds csv idx] [--seconds 80]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minitorch_np as mt
from benchmarks.attack_kinds import KINDS
from benchmarks.damage import NAMED

MOST_MEMORY, MOST_SECONDS = 500e6, 5.0

BATCH = 50
"""How many attacks a process makes before the next one begins."""


class Outcome(NamedTuple):
    """What came of one attack; `fault` is empty where nothing is wrong."""

    kind: str
    number: int
    said: str
    fault: str
    megabytes: float
    seconds: float


class TooLongError(BaseException):
    """An attack takes too long; no `except` of the package's or of a library's may take it."""


# Running them


def attack(kind: str, number: int, seed: int) -> Outcome:
    """Make one attack in a folder of its own, and look at what it does."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    said, fault, before, begun = "accepted", "", set(sys.modules), 0.0
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OSError):
        (Path(folder) / "payload.py").write_text("")
        steps = KINDS[kind](Path(folder), rng)
        next(steps)
        with contextlib.suppress(OSError):  # where the system counts the largest size anew
            Path("/proc/self/clear_refs").write_text("5")
        signal.setitimer(signal.ITIMER_PROF, 2 * MOST_SECONDS)
        begun = time.process_time()  # of its own, on a busy machine
        try:
            fault = next(steps, "")
        except mt.MinitorchError as error:
            said = type(error).__name__
            fault = f"a message of {len(str(error)):,} characters" * (len(str(error)) > 3000)
        except FileNotFoundError as error:
            said = type(error).__name__
        except (Exception, TooLongError) as error:  # this is what is looked for
            said, fault = type(error).__name__, f"{type(error).__name__}: {error}"[:200]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    seconds, megabytes = time.process_time() - begun, peak() / 1e6
    imported = [name for name in NAMED if name in sys.modules and name not in before]
    fault = fault or (f"imported {imported}" if imported else "")
    fault = fault or (f"took {seconds:.1f} s" if seconds > MOST_SECONDS else "")
    fault = fault or (f"took {megabytes:.0f} MB" if megabytes * 1e6 > MOST_MEMORY else "")
    return Outcome(kind, number, said, fault, megabytes, seconds)


def peak() -> float:
    """This process's largest size in bytes since it was last counted anew."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * float(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        import resource

        return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def attacks(kind: str, first: int, count: int, seed: int) -> Iterator[Outcome]:
    """So many attacks of a kind, in this process."""

    def too_long(*_: object) -> None:
        raise TooLongError(f"over {2 * MOST_SECONDS:.0f} s")

    signal.signal(signal.SIGPROF, too_long)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for number in range(first, first + count):
            yield attack(kind, number, seed)


def in_a_process(kind: str, first: int, count: int, seed: int) -> list[Outcome]:
    """The same in a process of its own; one that dies is a fault."""
    arguments = [kind, str(first), str(count), str(seed)]
    command = [sys.executable, "-m", "benchmarks.attacks", "--worker", *arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = [Outcome(*json.loads(line)) for line in run.stdout.splitlines()]
    if run.returncode:
        found.append(Outcome(kind, first + len(found), "died", run.stderr[-300:], 0, 0))
    return found


def table(outcomes: list[Outcome]) -> str:
    """A line for each kind, and one for each fault."""
    lines = [f"{'kind':<11}{'attacks':>8}{'refused':>9}{'faults':>8}{'most MB':>9}{'most s':>8}"]
    for kind in KINDS:
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        if own:
            refused = sum(outcome.said != "accepted" for outcome in own)
            faults = sum(bool(outcome.fault) for outcome in own)
            memory = max(outcome.megabytes for outcome in own)
            seconds = max(outcome.seconds for outcome in own)
            numbers = f"{len(own):>8}{refused:>9}{faults:>8}{memory:>9.0f}{seconds:>8.2f}"
            lines.append(f"{kind:<11}{numbers}")
    lines += [f"{o.kind} {o.number}: {o.fault}" for o in outcomes if o.fault]
    return "\n".join(lines)


def main() -> None:
    """Attack, print a table; the exit code is 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-kind", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), help="all, by default")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so many")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, *numbers = arguments.worker
        for outcome in attacks(kind, *map(int, numbers)):
            print(json.dumps(outcome), flush=True)
        return
    outcomes = []
    ranges, begun = range(0, arguments.per_kind, BATCH), time.perf_counter()
    for first, kind in itertools.product(ranges, arguments.kinds or KINDS):
        if time.perf_counter() - begun > arguments.seconds:
            break
        count = min(BATCH, arguments.per_kind - first)
        outcomes += in_a_process(kind, first, count, arguments.seed)
        print(f"{kind} {first}: {sum(bool(o.fault) for o in outcomes)} faults", file=sys.stderr)
    print(table(outcomes))
    sys.exit(any(outcome.fault for outcome in outcomes))


if __name__ == "__main__":
    main()
