"""What the notes' network reaches on the whole of MNIST, over five seeds.

ReLU, learning rate 0.1, batches of 64, three epochs; test accuracy on the 10,000 test digits.

    python -m benchmarks.accuracy FOLDER [--seeds 5]
"""

import argparse
import statistics

import minitorch_np as mt


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="with the four MNIST files")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    digits = mt.data.load_mnist(arguments.folder)
    x, y = digits.train.features(), digits.train.labels
    accuracies = []
    for seed in range(arguments.seeds):
        model = mt.notes_network(seed=seed)
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1), metrics=[mt.Accuracy()], seed=seed
        )
        trainer.fit(x, y, epochs=3, batch_size=64)
        accuracies.append(trainer.evaluate(digits.test.features(), digits.test.labels)["accuracy"])
        print(f"seed {seed}: {accuracies[-1]:.4f}", flush=True)
    print(f"mean {statistics.mean(accuracies):.4f}")


if __name__ == "__main__":
    main()
