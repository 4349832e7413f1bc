"""Networks as scikit-learn estimators (extra `sklearn`): `Classifier` and `Regressor`.

They follow scikit-learn's conventions, so they work in pipelines, grid searches and
cross-validation: the constructor only stores its arguments, `fit` trains from the start, learned
attributes have names that end in an underscore. `model_` is the `Sequential` inside.

    from minitorch_np.sklearn import Classifier

    Classifier([64, 32], activation="elu", random_state=0).fit(X, y).score(X_test, y_test)
"""

from __future__ import annotations

import contextlib
import copy
import html
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from minitorch_np.arrays import AnyArray, Array
from minitorch_np.core.layer import Layer
from minitorch_np.core.sequential import Sequential
from minitorch_np.core.summary import summary_table
from minitorch_np.errors import ConfigurationError, MissingExtraError
from minitorch_np.layers.dense import Dense
from minitorch_np.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from minitorch_np.names import by_name
from minitorch_np.optimizers import Optimizer
from minitorch_np.training import EarlyStopping, Trainer
from minitorch_np.validation import is_whole, whole

try:
    from scipy import sparse
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError:
    raise MissingExtraError("scikit-learn", "sklearn", "minitorch_np.sklearn") from None

ROWS = 1024
"""The number of rows of a sparse matrix that are made dense at a time."""


class _Network(BaseEstimator):  # type: ignore[misc]
    """The base of both estimators; see Classifier."""

    def __init__(
        self,
        layers: Sequence[Any] | Layer | int | str = (100,),
        *,
        activation: str = "relu",
        loss: Loss | str | None = None,
        optimizer: Optimizer | str = "adam(0.003)",
        epochs: int = 200,
        batch_size: int | None = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.layers = layers
        self.activation = activation
        self.loss = loss
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments; with `deep` also the optimizer's, as "optimizer__..."."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            with contextlib.suppress(ConfigurationError):  # `fit` refuses an invalid optimizer
                inner = by_name(Optimizer, self.optimizer, "optimizer").config()
                params |= {f"optimizer__{name}": value for name, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set arguments, and the optimizer's as `optimizer__learning_rate=0.1`."""
        inner = {name: params.pop(name) for name in list(params) if name.startswith("optimizer__")}
        super().set_params(**params)
        if inner:
            optimizer = by_name(Optimizer, self.optimizer, "optimizer")
            given = {name.removeprefix("optimizer__"): value for name, value in inner.items()}
            unknown = given.keys() - optimizer.config().keys()
            if unknown:
                raise ValueError(
                    f"Invalid parameter {min(unknown)!r} for optimizer {optimizer!r}. Valid "
                    f"parameters are: {sorted(optimizer.config())!r}."
                )
            self.optimizer = type(optimizer).from_config(optimizer.config() | given)
        return self

    def _begin(self, features: int, outputs: int, dtype: Any, loss: Loss) -> None:
        """Create the model and its trainer, with initial weights drawn from `random_state`."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        given: Any = self.layers
        if isinstance(given, Sequential):
            given = given.layers
        elif is_whole(given) or isinstance(given, (str, Layer)):
            given = [given]
        sizes = [int(n) for n in given if is_whole(n)]
        hidden = [layer for units in sizes for layer in (Dense(units), self.activation)]
        layers: list[Layer | str] = [*hidden, Dense(outputs)]
        if len(sizes) < len(given):
            layers = copy.deepcopy(list(given))
        model = Sequential(*layers)
        model.initialize(features, rng=np.random.default_rng(seed), dtype=dtype)
        if model.output_shape != (outputs,):
            raise ConfigurationError(
                f"{type(self).__name__}: expected layers that end in {outputs} outputs, as y "
                f"needs, got {model.output_shape}: the last layer could be Dense({outputs})"
            )
        optimizer = copy.deepcopy(by_name(Optimizer, self.optimizer, "optimizer"))
        self._trainer = Trainer(model, loss, optimizer, seed=seed)
        self.model_, self.loss_curve_, self.n_iter_ = model, list[float](), 0

    def _train(self, x: Any, y: AnyArray, weights: Array, epochs: int, stratify: Any) -> None:
        """Train for up to `epochs` epochs, fewer with early stopping."""
        name = type(self).__name__
        whole(name, "epochs", epochs)
        if self.batch_size is not None:
            whole(name, "batch_size", self.batch_size)
        held_out: Any = None
        if self.early_stopping:
            x, x_val, y, y_val, weights, w_val = train_test_split(
                x,
                y,
                weights,
                test_size=self.validation_fraction,
                random_state=check_random_state(self.random_state).randint(2**31 - 1),
                stratify=stratify,
            )
            x_val = x_val.toarray() if sparse.issparse(x_val) else x_val
            held_out = x_val, y_val, w_val
        size = None if self.batch_size is None else min(self.batch_size, x.shape[0])
        plain = None if (weights == weights[0]).all() else weights
        if sparse.issparse(x):
            curve = list(self._sparse_epochs(x, y, weights, epochs, size, held_out))
        else:
            stop = EarlyStopping(patience=self.patience, restore_best=True)
            curve = self._trainer.fit(
                x,
                y,
                sample_weight=plain,
                epochs=epochs,
                batch_size=size,
                validation_data=held_out,
                callbacks=[stop] if held_out else [],
            )["loss"]
        self.loss_curve_ += curve
        self.n_iter_ = len(self.loss_curve_)

    def _sparse_epochs(
        self, x: Any, y: AnyArray, weights: Array, epochs: int, size: int | None, held_out: Any
    ) -> Iterator[float]:
        """Train on a sparse matrix, making one batch dense at a time; yields the losses."""
        trainer, best, since = self._trainer, np.inf, 0
        size = size or x.shape[0]
        kept = self.model_.state_dict()
        for _ in range(epochs):
            order = trainer.rng.permutation(x.shape[0])
            batches = [order[start : start + size] for start in range(0, len(order), size)]
            losses = [trainer.step(x[rows].toarray(), y[rows], weights[rows]) for rows in batches]
            sums = [weights[rows].sum() for rows in batches]
            yield float(np.average(losses, weights=sums))
            if held_out:
                loss = trainer.evaluate(*held_out)["loss"]
                since = 0 if loss < best else since + 1
                if loss < best:
                    best, kept = loss, self.model_.state_dict()
                if since > self.patience:
                    break
        if held_out:
            self.model_.load_state_dict(kept)

    def _checked(self, x: Any) -> Any:
        check_is_fitted(self)
        return validate_data(
            self, x, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False
        )

    def _outputs(self, x: Any, method: str = "predict") -> AnyArray:
        x = self._checked(x)
        predict = getattr(self.model_, method)
        if not sparse.issparse(x):
            return np.asarray(predict(x))
        parts = range(0, x.shape[0], ROWS)
        return np.concatenate([predict(x[start : start + ROWS].toarray()) for start in parts])

    def _repr_html_(self) -> str:
        shown: str = super()._repr_html_()
        if hasattr(self, "model_"):
            shown += f"<pre>{html.escape(summary_table(self.model_))}</pre>"
        return shown

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Classifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """A network for classification, as a scikit-learn estimator.

    Parameters:
        layers: sizes of hidden layers, [64, 32] or 64, after which a Dense with an output for each
            class is added; or all layers of the network, as for Sequential, the last with as many
            outputs as there are classes.
        activation: the activation after hidden layers given by size.
        loss: by default SoftmaxCrossEntropy, or BinaryCrossEntropy if a sample may have several
            labels (y of zeros and ones, a column per label).
        optimizer: an optimizer or its name; `set_params(optimizer__learning_rate=0.1)`.
        epochs: the number of passes over all samples.
        batch_size: the number of samples per step; None uses all.
        early_stopping: hold out a `validation_fraction` of the samples, stop when the loss on it
            has not improved for `patience` epochs, and keep the best weights.
        class_weight: "balanced", or a weight for each class, as everywhere in scikit-learn.
        warm_start: whether `fit` continues from the weights of the previous call.
        random_state: for initial weights and the order of samples.

    Attributes: `classes_`, `n_features_in_`, `feature_names_in_`, `model_` (the Sequential),
    `loss_curve_` (the mean loss of each epoch), `n_iter_`.
    """

    def __init__(
        self,
        layers: Sequence[Any] | Layer | int | str = (100,),
        *,
        activation: str = "relu",
        loss: Loss | str | None = None,
        optimizer: Optimizer | str = "adam(0.003)",
        epochs: int = 200,
        batch_size: int | None = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            layers,
            activation=activation,
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train on samples X (n, features) and labels y (n,), or (n, labels) of zeros and ones."""
        return self._fit(X, y, sample_weight, self.epochs, self.warm_start, None)

    def partial_fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train for one more epoch. The first call needs `classes` unless y contains all."""
        return self._fit(X, y, sample_weight, 1, True, classes)

    def _fit(
        self, x: Any, y: Any, sample_weight: Any, epochs: int, go_on: bool, classes: Any
    ) -> Self:
        begin = not (go_on and hasattr(self, "model_"))
        x, y = validate_data(
            self,
            x,
            y,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            multi_output=True,
            reset=begin,
        )
        check_classification_targets(y)
        several = type_of_target(y) == "multilabel-indicator"
        y = y.toarray() if sparse.issparse(y) else y
        y = y if several or y.ndim == 1 else _column(y)
        known = np.arange(y.shape[1]) if several else np.unique(y if classes is None else classes)
        if begin and len(known) < 2:
            raise ValueError(f"y: expected samples of two or more classes, got 1 class: {known}")
        if begin:
            self.classes_, self._several = known, several
        if several != self._several:
            kinds = "a label for each sample", "zeros and ones, a column per label"
            raise ValueError(f"y: expected {kinds[self._several]}, as before, got {kinds[several]}")
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, y)
        if several:
            labels = y.astype(x.dtype)
        else:
            labels = np.searchsorted(self.classes_, y)
            labels = np.minimum(labels, len(self.classes_) - 1)
            if (self.classes_[labels] != y).any():
                raise ValueError(
                    f"y: expected labels that are in classes_, {self.classes_}, got others: name "
                    "all of them in the first partial_fit(..., classes=)"
                )
        if begin:
            loss = by_name(Loss, self.loss, "loss") if self.loss is not None else None
            default = BinaryCrossEntropy() if several else SoftmaxCrossEntropy()
            self._begin(x.shape[1], len(self.classes_), x.dtype, loss or default)
        self._train(x, labels, weights, epochs, None if several else labels)
        return self

    def predict(self, X: Any) -> AnyArray:  # noqa: N803
        """The most probable label of each sample; (n, labels) of zeros and ones if a sample may
        have several.
        """
        found = self._outputs(X, "predict_classes")
        return found if self._several else self.classes_[found]

    def predict_proba(self, X: Any) -> AnyArray:  # noqa: N803
        """The probability of each label, (n, labels), in the order of `classes_`."""
        return self._outputs(X, "predict_proba")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class Regressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A network for regression: like Classifier, with MeanSquaredError as the default loss.

    y is (n,), or (n, outputs) for several numbers at once.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train on samples X (n, features) and targets y (n,) or (n, outputs)."""
        return self._fit(X, y, sample_weight, self.epochs, self.warm_start)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train for one more epoch."""
        return self._fit(X, y, sample_weight, 1, True)

    def _fit(self, x: Any, y: Any, sample_weight: Any, epochs: int, go_on: bool) -> Self:
        begin = not (go_on and hasattr(self, "model_"))
        x, y = validate_data(
            self,
            x,
            y,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            multi_output=True,
            y_numeric=True,
            reset=begin,
        )
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        y = y.toarray() if sparse.issparse(y) else y
        targets = y.reshape(len(y), -1).astype(x.dtype)
        if begin:
            self._flat = y.ndim == 1
            loss = MeanSquaredError() if self.loss is None else by_name(Loss, self.loss, "loss")
            self._begin(x.shape[1], targets.shape[1], x.dtype, loss)
        self._train(x, targets, weights, epochs, None)
        return self

    def predict(self, X: Any) -> AnyArray:  # noqa: N803
        """The predicted numbers, in the shape of y."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _column(y: AnyArray) -> AnyArray:
    from sklearn.utils.validation import column_or_1d

    column: AnyArray = column_or_1d(y, warn=True)
    return column
