"""A wrong argument is named, with the function that it was given to: for each argument checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_np as mt

untyped: Any = mt
MODEL = mt.Sequential(mt.Dense(2), input_shape=4, seed=0)
X, Y = np.ones((3, 4)), np.array([0, 1, 1])
LOSS = mt.SoftmaxCrossEntropy()
V = {name: np.ones(array.shape) for name, array in MODEL.named_parameters().items()}
TRAINER = mt.Trainer(MODEL, LOSS, "sgd", seed=0)
TWO = mt.mlp([2, 3, 2], seed=0)
DIGITS = mt.data.load_mnist()


def product(**changed: Any) -> Any:
    given: dict[str, Any] = {"model": MODEL, "loss": LOSS, "x": X, "y": Y, "vector": V} | changed
    return untyped.hessian_vector_product(**given)


def compared(**changed: Any) -> Any:
    return untyped.compare(**{"configurations": ["relu"], "data": DIGITS, "seeds": 1} | changed)


def fitted(**changed: Any) -> Any:
    pytest.importorskip("sklearn")
    from minitorch_np.sklearn import Classifier

    estimator: Any = Classifier
    return estimator(mt.Sequential(mt.Dense(2)), **changed).fit(X, Y)


WRONG: dict[str, list[Callable[[], Any]]] = {
    "gradcheck: expected mode to be 'auto' or 'exhaustive' or 'directional', got 'all'": [
        lambda: untyped.gradcheck(MODEL, mode="all")
    ],
    "gradcheck: expected contracts to be True or False, got 1": [
        lambda: untyped.gradcheck(MODEL, contracts=1)
    ],
    "gradcheck: expected seed to be a whole number of at least 0, got -1": [
        lambda: mt.gradcheck(MODEL, seed=-1),
        lambda: mt.gradcheck_function(np.sin, np.cos, X, seed=-1),
    ],
    "gradcheck: expected allow to be a dict, got 'x'": [
        lambda: untyped.gradcheck(MODEL, allow="x"),
        lambda: untyped.gradcheck_function(np.sin, np.cos, X, allow="x"),
    ],
    "gradcheck: expected loss to be a Loss, got 'mse'": [
        lambda: untyped.gradcheck(MODEL, loss="mse")
    ],
    "gradcheck: expected a Layer or a Loss, got 3": [lambda: untyped.gradcheck(3)],
    "hessian_vector_product: expected model to be a Layer, got 3": [lambda: product(model=3)],
    "hessian_vector_product: expected loss to be a Loss, got 3": [lambda: product(loss=3)],
    "hessian_vector_product: expected vector to be a Mapping, got 3": [lambda: product(vector=3)],
    "hessian_vector_product: expected seed to be a whole number of at least 0, got -1": [
        lambda: product(seed=-1)
    ],
    "check_step: expected trainer to be a Trainer, got 3": [lambda: untyped.check_step(3, X, Y)],
    "check_step: expected steps to be a whole number of at least 1, got 0": [
        lambda: mt.check_step(TRAINER, X, Y, steps=0)
    ],
    "check_step: expected seed to be a whole number of at least 0, got -1": [
        lambda: mt.check_step(TRAINER, X, Y, seed=-1)
    ],
    "check_step: expected a formula that is a function, got 3": [
        lambda: untyped.check_step(TRAINER, X, Y, formula=3)
    ],
    "Animation: expected path to be a string or a pathlib.Path, got 3": [
        lambda: untyped.Animation(3, print)
    ],
    "Animation: expected a path that ends in .gif or .svg, got 'a.mp4'": [
        lambda: mt.Animation("a.mp4", print)
    ],
    "Animation: expected draw to be a function of the model, got 3": [
        lambda: untyped.Animation("a.svg", 3)
    ],
    "Animation: expected every to be a whole number of at least 1, got 0": [
        lambda: mt.Animation("a.svg", print, 0)
    ],
    "Animation: expected seconds to be a finite number greater than 0, got 0": [
        lambda: mt.Animation("a.svg", print, 1, 0)
    ],
    "plot_boundary: expected model to be a Model, got 3": [
        lambda: untyped.plot_boundary(3, X[:, :2], Y)
    ],
    "page: expected model to be a Sequential, got 3": [lambda: untyped.page(3, "a.html")],
    "page: expected examples to be an Images, got 3": [lambda: untyped.page(MODEL, "a.html", 3)],
    "plot_weights: expected model to be a Sequential, got 3": [lambda: untyped.plot_weights(3)],
    "plot_confusion: expected classes to be a str, got 1": [
        lambda: untyped.plot_confusion(Y, Y, [1, 2])
    ],
    "plot_errors: expected model to be a Sequential, got 3": [lambda: untyped.plot_errors(3, X, Y)],
    "plot_errors: expected n to be a whole number of at least 1, got 0": [
        lambda: mt.plot_errors(MODEL, X, Y, (2, 2), n=0)
    ],
    "plot_calibration: expected bins to be a whole number of at least 1, got 0": [
        lambda: mt.plot_calibration(Y, Y * 0.5, bins=0)
    ],
    "playground: expected data to be (x, y) or a path, got (1,)": [
        lambda: untyped.playground("a.html", (1,))
    ],
    "playground: expected data to be a string or a pathlib.Path, got 3": [
        lambda: untyped.playground("a.html", 3)
    ],
    "plot_saliency: expected n to be a whole number of at least 1, got 0": [
        lambda: mt.plot_saliency(MODEL, X, image_shape=(2, 2), n=0)
    ],
    "plot_saliency: expected model to be a Model, got 3": [lambda: untyped.plot_saliency(3, X)],
    "saliency: expected model to be a Model, got 3": [lambda: untyped.saliency(3, X)],
    "trace: expected model to be a Model, got 3": [lambda: untyped.trace(3, LOSS, X, Y)],
    "compare: expected resample_data to be True or False, got 1": [
        lambda: compared(resample_data=1)
    ],
    "compare: expected resume to be True or False, got 1": [lambda: compared(resume=1)],
    "compare: expected epochs to be a whole number of at least 1, got 0": [
        lambda: compared(epochs=0)
    ],
    "compare: expected jobs to be a whole number of at least 1 and at most 1024, got 1025": [
        lambda: compared(jobs=1025)
    ],
    "compare: expected loss to be the name of one, got 3": [lambda: compared(loss=3)],
    "compare: expected executor to be None or an Executor, got 3": [lambda: compared(executor=3)],
    "compare: expected progress to be None or a function, got 3": [lambda: compared(progress=3)],
    "compare: expected folder to be a string or a pathlib.Path, got 3": [
        lambda: compared(folder=3)
    ],
    "compare: expected a list of configurations, got 3": [lambda: compared(configurations=3)],
    "diagnose: expected model to be a Model, got 3": [lambda: untyped.diagnose(3, X, Y)],
    "diagnose: expected loss to be a Loss, got 3": [lambda: untyped.diagnose(MODEL, X, Y, 3)],
    "mlp: expected a list of the sizes of inputs, hidden layers and outputs, such as ": [
        lambda: mt.mlp([3])
    ],
    "mlp: expected dropout to be a finite number of at least 0 and smaller than 1, got 1": [
        lambda: mt.mlp([3, 2], dropout=1)
    ],
    "resnet: expected a depth of 6n + 2, such as 20, 32 or 56, got 21": [lambda: mt.resnet(21)],
    "resnet: expected width to be a whole number of at least 1, got 0": [
        lambda: mt.resnet(8, width=0)
    ],
    "unet: expected classes to be a whole number of at least 1, got 0": [
        lambda: mt.unet((1, 16, 16), 0)
    ],
    "unet: expected width to be a whole number of at least 1, got 0": [
        lambda: mt.unet((1, 16, 16), 2, width=0)
    ],
    "unet: expected depth to be a whole number of at least 1, got 0": [
        lambda: mt.unet((1, 16, 16), 2, depth=0)
    ],
    "gpt: expected dropout to be a finite number of at least 0 and smaller than 1, got 1.5": [
        lambda: mt.gpt(5, 4, 1, 1, 4, dropout=1.5)
    ],
    "gpt: expected layers to be a whole number of at least 1, got 0": [
        lambda: mt.gpt(5, 4, 0, 1, 4)
    ],
    "char_rnn: expected cell to be 'lstm' or 'gru' or 'simple_rnn', got 'rnn'": [
        lambda: mt.char_rnn(5, 4, cell="rnn")
    ],
    "char_rnn: expected layers to be a whole number of at least 1, got 0": [
        lambda: mt.char_rnn(5, 4, 2, 0)
    ],
    "char_rnn: expected dropout to be a finite number of at least 0 and smaller than 1, got 1": [
        lambda: mt.char_rnn(5, 4, 2, dropout=1)
    ],
    "Classifier: expected epochs to be a whole number of at least 1, got 0": [
        lambda: fitted(epochs=0)
    ],
    "Classifier: expected batch_size to be a whole number of at least 1, got 0": [
        lambda: fitted(batch_size=0)
    ],
}


@pytest.mark.parametrize("message", WRONG)
def test_which_argument_is_wrong(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for call in WRONG[message]:
        with pytest.raises(mt.ConfigurationError) as caught:
            call()
        assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())
