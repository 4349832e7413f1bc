"""Which activation? The question with which the notes end, answered with evidence.

Each of the notes' three options, and the network of their example, is trained from several seeds.
With the same seed, all have the same data, initial weights and order of batches, so that their
differences are paired. Each pair is tested; the report names the pairs without a significant
difference. `minitorch-np compare` also chooses a learning rate for each; this is the short way.

    python examples/compare_activations.py [SEEDS]
"""

import sys

import minitorch_np as mt


def main(seeds: int = 9) -> None:
    """Compare the four, and one of our own with another optimizer."""
    gelu = mt.Configuration(
        "gelu, Adam",
        [mt.Dense(10), "gelu", mt.Dense(10)],
        optimizer="adam",
        learning_rate=0.005,
    )
    comparison = mt.compare(
        ["leaky_relu+elu", "relu+relu", "sigmoid+sigmoid", "relu+softmax", gelu],
        seeds=seeds,
        epochs=3,
        learning_rates=[0.1],
        jobs=2,
    )
    print(mt.report(comparison))
    print(f"\nin short: {', '.join(comparison.ranking)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 9)
