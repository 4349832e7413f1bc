"""What `import minitorch_np` costs over `import numpy`: whole processes, alternating.

With the compiled files in place, as pip and Python leave them (PYTHONDONTWRITEBYTECODE is unset).

python -m benchmarks.import_time [--rounds 20]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time


def seconds(statement: str) -> float:
    """The time of a process that does nothing but this."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    statements = ("import numpy", "import minitorch_np")
    times: dict[str, list[float]] = {statement: [] for statement in statements}
    for statement in statements:  # once for the caches, not counted
        seconds(statement)
    for _ in range(rounds):
        for statement, measured in times.items():
            measured.append(seconds(statement))
    medians = [statistics.median(times[statement]) for statement in statements]
    for statement, median in zip(statements, medians, strict=True):
        print(f"{statement:22} {median * 1000:6.1f} ms")
    print(f"ratio: {medians[1] / medians[0]:.3f}")


if __name__ == "__main__":
    main()
