"""False alarms of the gradient check on whole models: those of `tests/random_models.py` are right.

Prints how many pass, fail (each would be a false alarm), are inconclusive or raise; for each that
does not pass, its seed and report; the advice of the inconclusive reports; the largest ratio of
error to tolerance of those that pass; and the seconds per check.

    python -m benchmarks.random_models [--seeds 2000] [--first 0] [--jobs 2]
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import minitorch_np as mt
from benchmarks.pool import process_pool
from minitorch_np.gradcheck import GradientCheck
from tests.random_models import random_model


class Outcome(NamedTuple):
    """The check's result for one model; `status` may be "exception" too."""

    seed: int
    status: str
    reasons: list[str]
    ratio: float
    seconds: float


def check(seed: int) -> Outcome:
    """Make the model of this number and check it."""
    made = random_model(seed)
    x, targets, loss, weights = made.x, made.targets, made.loss, made.sample_weight
    start = time.perf_counter()
    try:
        found = mt.gradcheck(made.model, x, targets, loss=loss, sample_weight=weights, seed=seed)
        status, why, ratio = found.status, list(reasons(found)), found.ratio
    except Exception as error:  # any exception is a finding
        status, why, ratio = "exception", [f"{type(error).__name__}: {error}"], 0.0
    return Outcome(seed, status, why, ratio, time.perf_counter() - start)


def reasons(found: GradientCheck) -> Iterator[str]:
    """The reasons for a check's status: the errors, or else the inconclusive parts."""
    failed = found.status == "fail"
    if found.doubt and not failed:
        yield found.doubt
    for tensor in found.tensors:
        if tensor.status == found.status != "pass":
            yield (
                f"{found.subject}, {' '.join(map(str.strip, tensor.lines()))}"
                if failed
                else (tensor.doubt)
            )
    for contract in found.contracts:
        if not contract.ok:
            yield f"{found.subject}, {contract.name}: {contract.detail}"
    for part in found.parts:
        if part.status == found.status:
            yield from reasons(part)


def main() -> None:
    """Check, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    wanted = parser.parse_args()
    seeds = range(wanted.first, wanted.first + wanted.seeds)
    outcomes = []
    with process_pool(wanted.jobs) as pool:
        for outcome in pool.map(check, seeds, chunksize=8):
            outcomes.append(outcome)
            if outcome.status != "pass":
                print(f"{outcome.seed:6} {outcome.status}: {outcome.reasons[:1]}", flush=True)
    counts = Counter(outcome.status for outcome in outcomes)
    print(f"{len(outcomes)} models: {', '.join(f'{n} {what}' for what, n in counts.most_common())}")
    unsure = [outcome for outcome in outcomes if outcome.status == "inconclusive"]
    said = Counter(reason for outcome in unsure for reason in sorted(set(outcome.reasons)))
    for reason, models in said.most_common():
        print(f"  in {models} inconclusive: {reason}")
    worst = max((o.ratio for o in outcomes if o.status == "pass"), default=0.0)
    print(f"worst |analytic - numeric| / tolerance of those that pass: {worst:.2f}")
    print(f"seconds for a model: {statistics.median(o.seconds for o in outcomes):.3f}")


if __name__ == "__main__":
    main()
