"""Comparison of `predict` with onnxruntime, and of `Classifier` with MLPClassifier.

    python -m benchmarks.exchange [--data FOLDER] [--rounds 20] [--seeds 10]

On one thread. The two take turns within a round, so that the load of the machine is the same for
both; printed are the median and the quartiles of the ratio of their times. The accuracies are on
test digits, of networks trained with the same settings from N seeds. FOLDER has the four files of
full MNIST; without it the digits in the package are used.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded
os.environ.setdefault("MKL_NUM_THREADS", "1")

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minitorch_np as mt

NETWORKS: dict[str, Callable[[], mt.Sequential]] = {
    "784-10-10": lambda: mt.notes_network(seed=0),
    "784-512-512-10": lambda: mt.mlp([784, 512, 512, 10], seed=0),
    "LeNet-5": lambda: mt.lenet5(seed=0),
}
BATCHES = (1, 256)
SHORTEST = 0.02
"""How many seconds each measures at least at a time."""


class Setting(NamedTuple):
    """A training for both estimators: with sizes of hidden layers, and scikit-learn's names."""

    hidden: tuple[int, ...]
    solver: str
    rate: float
    batch: int
    epochs: int
    limit: float


SETTINGS = {
    "784-10-10, SGD, batch 64": Setting((10,), "sgd", 0.1, 64, 3, 0.6),
    "784-512-512-10, Adam, batch 200": Setting((512, 512), "adam", 0.001, 200, 2, 0.8),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exchange", description=__doc__)
    parser.add_argument("--data", help="a folder with the files of full MNIST")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    digits = mt.data.load_mnist(arguments.data)
    print("| network | batch | predict / onnxruntime: time |\n|---|---|---|")
    for name, make in NETWORKS.items():
        for batch in BATCHES:
            ours, theirs = predictions(make(), digits.test, batch)
            print(f"| {name} | {batch} | {shown(ratios(ours, theirs, arguments.rounds))} |")
    print("\n| training | Classifier / MLPClassifier: time | at most |\n|---|---|---|")
    for name, setting in SETTINGS.items():
        ours, theirs = trainings(setting, digits.train)
        rounds = max(3, arguments.rounds // 4)
        print(f"| {name} | {shown(ratios(ours, theirs, rounds))} | {setting.limit} |")
    print("\n| test accuracy | Classifier | MLPClassifier | difference, standard error |")
    print("|---|---|---|---|")
    for name, setting in SETTINGS.items():
        found = np.array([accuracies(setting, digits, seed) for seed in range(arguments.seeds)])
        means, spread = found.mean(axis=0), found.std(axis=0, ddof=1)
        error = np.sqrt((spread**2).sum() / len(found))
        cells = [f"{mean:.4f} ± {each:.4f}" for mean, each in zip(means, spread, strict=True)]
        print(f"| {name} | {' | '.join(cells)} | {means[0] - means[1]:+.4f}, {error:.4f} |")


def predictions(
    model: mt.Sequential, images: mt.data.Images, batch: int
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Predicting one batch: here, and by onnxruntime with the exported model. They agree."""
    import onnxruntime

    x = images.features()[:batch].reshape(-1, *model.input_shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.to_onnx(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    np.testing.assert_allclose(session.run(None, {"input": x})[0], model.predict(x), atol=1e-5)
    return lambda: model.predict(x), lambda: session.run(None, {"input": x})


def trainings(
    setting: Setting, images: mt.data.Images, samples: int = 4000
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Training on the first samples, with this package's estimator and with scikit-learn's."""
    x, y = images.features()[:samples], images.labels[:samples]
    ours, theirs = estimators(setting, 0)
    return lambda: ours.fit(x, y), lambda: theirs.fit(x, y)


def accuracies(setting: Setting, digits: mt.data.Digits, seed: int) -> list[float]:
    """The test accuracy of both, each trained on all training digits."""
    x, y = digits.train.features(), digits.train.labels
    tested = digits.test.features(), digits.test.labels
    return [float(each.fit(x, y).score(*tested)) for each in estimators(setting, seed)]


def estimators(setting: Setting, seed: int) -> tuple[Any, Any]:
    """Both estimators with the same settings, not fitted."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    from minitorch_np.sklearn import Classifier

    warnings.simplefilter("ignore", ConvergenceWarning)  # a few epochs are few
    ours = Classifier(
        setting.hidden,
        optimizer=f"{setting.solver}({setting.rate})",
        epochs=setting.epochs,
        batch_size=setting.batch,
        random_state=seed,
    )
    theirs = MLPClassifier(
        setting.hidden,
        solver=setting.solver,
        learning_rate_init=setting.rate,
        momentum=0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        max_iter=setting.epochs,
        batch_size=setting.batch,
        n_iter_no_change=10**6,
        random_state=seed,
    )
    return ours, theirs


def ratios(one: Callable[[], Any], other: Callable[[], Any], rounds: int) -> Any:
    """The ratio of their times in each round."""
    calls = [repeats(one), repeats(other)]
    found = []
    for number in range(rounds):
        pairs = list(zip((one, other), calls, strict=True))
        order = (0, 1) if number % 2 else (1, 0)  # who is first may matter
        times = [0.0, 0.0]
        for place in order:
            times[place] = seconds(*pairs[place])
        found.append(times[0] / times[1])
    return np.array(found)


def repeats(call: Callable[[], Any]) -> int:
    """The number of calls that takes long enough to be measured; the first fills the caches."""
    call()
    n = 1
    while seconds(call, n) * n < SHORTEST:
        n *= 2
    return n


def seconds(call: Callable[[], Any], n: int) -> float:
    """The mean time of a call, of n."""
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n


def shown(values: Any) -> str:
    """The median and the quartiles, as text."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
