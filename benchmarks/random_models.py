"""Does the gradient check cry wolf at whole models? Those of `tests/random_models.py` are correct.

Prints how many pass, fail (each would be a false alarm), are inconclusive or raise; the seed of
each that does not pass, with the first lines of its report; what the inconclusive ones say to do;
the worst error over tolerance; and the seconds that a check takes.

    python -m benchmarks.random_models [--seeds 2000] [--first 0] [--jobs 2]
"""

import argparse
import os
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import minitorch_np as mt
from minitorch_np.arrays import BLAS_THREADS
from tests.random_models import random_model

REASON = re.compile(r"\s+(FAIL .*:|BROKEN|\d+ wrong)")
"""Where a report goes into what is wrong."""


class Outcome(NamedTuple):
    """What the check said of one model; `status` may be "exception" too."""

    seed: int
    status: str
    report: str
    ratio: float
    seconds: float


def check(seed: int) -> Outcome:
    """Make the model of this number and check it."""
    made = random_model(seed)
    x, targets, loss, weights = made.x, made.targets, made.loss, made.sample_weight
    start = time.perf_counter()
    try:
        found = mt.gradcheck(made.model, x, targets, loss=loss, sample_weight=weights, seed=seed)
        status, report, ratio = found.status, str(found), found.ratio
    except Exception as error:  # whatever it is, it is what is looked for
        status, report, ratio = "exception", f"{type(error).__name__}: {error}", 0.0
    return Outcome(seed, status, report, ratio, time.perf_counter() - start)


def remedies(report: str) -> Iterator[str]:
    """The lines of a report that explain what is inconclusive: those below it."""
    below = False
    for line in map(str.strip, report.splitlines()):
        if line.startswith(("PASS", "FAIL", "INCONCLUSIVE", "reproduce")):
            below = line.startswith("INCONCLUSIVE")
        elif below:
            yield line


def main() -> None:
    """Check, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    wanted = parser.parse_args()
    seeds = range(wanted.first, wanted.first + wanted.seeds)
    outcomes = []
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))  # inherited: two busy cores, two workers
    with ProcessPoolExecutor(wanted.jobs, get_context("spawn")) as pool:
        for outcome in pool.map(check, seeds, chunksize=8):
            outcomes.append(outcome)
            if outcome.status != "pass":
                first, *below = outcome.report.splitlines()
                worst = next((line.strip() for line in below if REASON.match(line)), "")
                print(f"{outcome.seed:6} {first}: {worst}", flush=True)
    counts = Counter(outcome.status for outcome in outcomes)
    said = Counter(
        line
        for outcome in outcomes
        if outcome.status == "inconclusive"
        for line in sorted(set(remedies(outcome.report)))
    )
    print(f"{len(outcomes)} models: {', '.join(f'{n} {what}' for what, n in counts.most_common())}")
    for line, models in said.most_common():
        print(f"  in {models} inconclusive: {line}")
    print(f"worst |analytic - numeric| / tolerance: {max(o.ratio for o in outcomes):.2f}")
    print(f"seconds for a model: {statistics.median(o.seconds for o in outcomes):.3f}")


if __name__ == "__main__":
    main()
