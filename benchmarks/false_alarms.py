"""Does the gradient check cry wolf? Correct components, many seeds, inputs of very different sizes.

Each component's cases, at input scales of 1e-6 to 1e6, with one input at exactly 0. Prints how many
checks there were, how many failed (each would be a false alarm), how many could show nothing, and
the worst error over tolerance.

    python -m benchmarks.false_alarms [--seeds 1000]
"""

import argparse
from collections import Counter

import numpy as np

import minitorch_np as mt
from minitorch_np.gradcheck.cases import CASES

SCALES = (1e-6, 1e-3, 1.0, 1e3, 1e6)


def main() -> None:
    """Check, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    seeds = parser.parse_args().seeds
    counts: Counter[str] = Counter()
    worst = 0.0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for cases in CASES.values():
            case = cases[seed % len(cases)]
            if not isinstance(case.obj, mt.Layer) or case.obj.index_limit:
                result = case.check(seed)
                counts[result.status] += 1
                worst = max(worst, result.ratio)
                continue
            for scale in SCALES:
                x = rng.normal(size=(3, *case.shape)) * scale
                x.reshape(-1)[rng.integers(x.size)] = 0.0
                result = mt.gradcheck(case.obj, x, seed=seed, contracts=False)
                counts[result.status] += 1
                worst = max(worst, result.ratio)
                if result.status == "fail":
                    print(f"FALSE ALARM at seed {seed}, scale {scale:g}\n{result}", flush=True)
    total = sum(counts.values())
    print(f"{total} checks: {counts['fail']} false alarms, {counts['inconclusive']} inconclusive")
    print(f"worst |analytic - numeric| / tolerance: {worst:.2f}")


if __name__ == "__main__":
    main()
