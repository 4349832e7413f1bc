"""Which activation? The question with which the notes end, answered with evidence.

Each of the notes' three options, and the network that they work through, is trained from several
seeds. All share the data, the initial weights and the order of the batches, seed by seed, so that
their differences are paired; each pair is tested, and what can't be told apart is said to be so.
`minitorch-np compare` also chooses a learning rate for each; this is the short way.

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
