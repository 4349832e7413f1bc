"""Gradient checks of functions, trainers, PyTorch's and JAX's, and what finds them by name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_np as mt
from minitorch_np.cli import main
from minitorch_np.gradcheck import dispatch
from minitorch_np.optimizers import Adagrad

RNG = np.random.default_rng(0)


class Pair(NamedTuple):
    w: Any
    b: Any


def affine(x: Any, p: Any, power: int = 1) -> Any:
    return {"y": (x @ p["pair"].w + p["pair"].b) ** power, "sum": x.sum()}


def affine_vjp(dy: Any, x: Any, p: Any, power: int = 1) -> Any:
    z = x @ p["pair"].w + p["pair"].b
    dz = dy["y"] * power * z ** (power - 1)
    pair = Pair(x.T @ dz, dz.sum(axis=0))
    return dz @ p["pair"].w.T + dy["sum"], {"pair": pair, "name": None}, None


def test_structures_and_constants() -> None:
    p = {"pair": Pair(RNG.normal(size=(3, 2)), RNG.normal(size=2)), "name": "affine"}
    result = mt.gradcheck_function(affine, affine_vjp, RNG.normal(size=(4, 3)), p, 2)
    assert result, result
    assert [t.name for t in result.tensors] == ["x", "p.pair.0", "p.pair.1"]


def test_elementwise_jacobian_and_gradient() -> None:
    x = RNG.normal(size=(3, 2))
    assert mt.gradcheck_function(np.sin, np.cos, x)
    assert mt.gradcheck_function(lambda t: t**2, lambda t: 2 * t, 1.5)
    assert mt.gradcheck_function(lambda t: (t**2).sum(), lambda t: 2 * t, x)
    a = RNG.normal(size=(4, 2))
    assert mt.gradcheck_function(lambda t: a @ t, lambda t: a, x[0])
    assert mt.gradcheck_function(np.multiply, lambda u, v: (v, u), x, x + 1)
    result = mt.gradcheck_function(np.sin, lambda t: -np.cos(t), x)
    assert result.status == "fail"
    assert "sign" in str(result)
    assert mt.gradcheck_function(
        lambda t: np.round(t), lambda t: t * 0 + 1, x, allow={"t": "rounds"}
    )


def test_functions_that_cannot_be_checked() -> None:
    with pytest.raises(mt.DataError, match="floating-point"):
        mt.gradcheck_function(lambda n: n, lambda n: 1, 3)
    with pytest.raises(mt.ConfigurationError, match="expected df to take"):
        mt.gradcheck_function(lambda x: x, lambda a, b, c: a, 1.0)
    assert mt.gradcheck_function(np.sin, lambda x: np.cos(x)[:1], np.ones(3)).status == "fail"
    assert "ZeroDivisionError" in str(mt.gradcheck_function(lambda x: 1 / 0, np.cos, np.ones(3)))
    with pytest.raises(mt.ConfigurationError, match="gradcheck_function"):
        mt.gradcheck(np.sin)  # type: ignore[arg-type]


def test_functions_that_keep_or_change_something() -> None:
    calls: list[int] = []

    def grows(x: Any) -> Any:
        calls.append(1)
        return 2 * x

    def grows_prime(x: Any) -> Any:
        return np.full_like(x, 2 + 1e-6 * len(calls))

    assert mt.gradcheck_function(grows, grows_prime, np.ones(3)).status == "fail"
    result = mt.gradcheck_function(lambda x: x * 2, lambda dy, x: np.abs(dy) * 2, np.ones(3))
    assert "dy's sign" in str(result)


OPTIMIZERS: list[Any] = [
    lambda: mt.SGD(0.1),
    lambda: mt.SGD(0.1, 0.9, nesterov=True, weight_decay=0.1),
    lambda: mt.Adam(mt.schedules.cosine(0.1, 10)),
    lambda: mt.AdamW(clip_norm=0.1),
    lambda: mt.RMSprop(clip_value=0.01),
    lambda: Adagrad(0.1),
    lambda: mt.Lion(0.01),
]


def trained(optimizer: Any, cls: Any = mt.Trainer) -> Any:
    model = mt.Sequential(
        mt.Dense(4), mt.BatchNorm(), "elu", mt.Dropout(0.3), mt.Dense(3), input_shape=5, seed=0
    )
    model[0].trainable = False
    return cls(model, mt.SoftmaxCrossEntropy(), optimizer, seed=0)


X, Y = RNG.normal(size=(6, 5)), np.arange(6) % 3


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_step_is_the_formulas(make: Any) -> None:
    trainer = trained(make())
    before = trainer.model.state_dict()
    result = mt.check_step(trainer, X, Y, np.arange(6) + 0.5)
    assert result, result
    assert len(result.parts) == 3
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


class Twice(mt.SGD):
    def step(self, model: Any, gradients: Any) -> None:
        super().step(model, {name: 2 * g for name, g in gradients.items()})


class Uphill(mt.SGD):
    def update(self, parameters: Any, gradients: Any, rate: float) -> None:
        parameters += rate * gradients


def test_a_wrong_step_is_found() -> None:
    assert "the step is 2 times the formula's" in str(mt.check_step(trained(Twice(0.1)), X, Y))
    assert mt.check_step(trained(Uphill(0.1)), X, Y)  # by its own update, which the report says

    def downhill(o: Any, p: Any, g: Any, memory: Any, t: int, rate: float) -> Any:
        return p - rate * g

    result = mt.check_step(trained(Uphill(0.1)), X, Y, formula=downhill)
    assert "the step is -1 times the formula's" in str(result)

    class Forgets(mt.Trainer):
        def step(self, x: object, y: object, sample_weight: object = None) -> float:
            return super().step(x, y)  # the weights

    weights = np.arange(6) + 0.5
    assert mt.check_step(trained(mt.SGD(0.1), Forgets), X, Y, weights).status == "fail"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_hessian_is_symmetric(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = mt.Sequential(mt.Dense(3), "tanh", mt.Dense(2), input_shape=4, seed=seed)
    x, y = rng.normal(size=(5, 4)), rng.integers(2, size=5)
    u, v = (
        {n: rng.normal(size=p.shape) for n, p in model.named_parameters().items()} for _ in range(2)
    )
    loss = mt.SoftmaxCrossEntropy()
    hu, hv = (mt.hessian_vector_product(model, loss, x, y, w) for w in (u, v))
    one, other = (sum(float((a[n] * b[n]).sum()) for n in u) for a, b in ((hu, v), (hv, u)))
    assert one == pytest.approx(other, rel=1e-6, abs=1e-8)


def test_the_hessian_of_a_square_is_known() -> None:
    model = mt.Sequential(mt.Dense(1, use_bias=False), input_shape=3, seed=0)
    x = RNG.normal(size=(7, 3))
    v = {"0.weight": RNG.normal(size=(1, 3))}
    found = mt.hessian_vector_product(model, mt.MeanSquaredError(), x, np.zeros((7, 1)), v)
    np.testing.assert_allclose(found["0.weight"], v["0.weight"] @ x.T @ x * 2 / 7, rtol=1e-8)
    with pytest.raises(mt.ShapeError, match="expected a vector of"):
        mt.hessian_vector_product(model, mt.MeanSquaredError(), x, np.zeros((7, 1)), {})
    corner = mt.Sequential(
        mt.Dense(2, weight_initializer="zeros"), "relu", mt.Dense(1), input_shape=3, seed=0
    )
    v = {n: RNG.normal(size=p.shape) for n, p in corner.named_parameters().items()}
    with pytest.raises(mt.GradientError, match="smooth"):
        mt.hessian_vector_product(corner, mt.MeanSquaredError(), x, np.ones((7, 1)), v)


FUNCTIONS = """
import numpy as np
import minitorch_np as mt
from beside import FACTOR

def softplus(x):
    return np.log1p(np.exp(x))

def softplus_derivative(x):
    return 1 / (1 + np.exp(-x))

def product(x, w):
    return FACTOR * x * w

def product_vjp(dy, x, w):
    return dy * w, dy * x

product_inputs = (np.ones((2, 3)), np.arange(6.0).reshape(2, 3))

class Square(mt.Activation):
    def value(self, z):
        return z**2

    def derivative(self, z, a):
        return 2 * z

square, alone, number = Square(), lambda x: x, 3
"""


def test_names_in_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside.py").write_text("FACTOR = 3.0\n")
    path = tmp_path / "my functions.py"
    path.write_text(FUNCTIONS)
    for name, code in (("softplus", 0), ("Square", 0), ("square", 0), ("product", 1)):
        assert main(["gradcheck", f"{path}:{name}"]) == code
    out = capsys.readouterr().out
    assert f"reproduce: minitorch-np gradcheck '{path}:product' --seed 0" in out
    for name, message in (
        ("alone", "with its derivative in the same file"),
        ("number", "expected a layer, a loss, or a function"),
        ("nothing", "expected one of"),
    ):
        assert main(["gradcheck", f"{path}:{name}"]) == 2
        assert message in capsys.readouterr().err


def test_the_fixture_takes_all_of_these(gradcheck: Any) -> None:
    gradcheck(mt.ELU())
    gradcheck(mt.Sigmoid)
    gradcheck(np.sin, np.cos, np.ones(3))
    gradcheck(trained(mt.SGD(0.1)), X, Y)
    with pytest.raises(AssertionError, match="FAIL"):
        gradcheck(np.sin, np.sin, np.ones(3))


def test_torch_modules_and_functions() -> None:
    torch: Any = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.LayerNorm(8))
    x = torch.randn(4, 8)
    result = mt.gradcheck_torch(block, x)
    assert result, result
    assert [t.name for t in result.tensors][:2] == ["x", "0.weight"]
    assert next(block.parameters()).dtype == torch.float32
    for module, inputs in (
        (nn.LSTM(3, 2), torch.randn(4, 2, 3)),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.4)),
         torch.randn(2, 1, 5, 5)),
        (nn.Embedding(5, 3), torch.tensor([[1, 2], [0, 1]])),
        (nn.MultiheadAttention(4, 2, batch_first=True), (torch.randn(2, 3, 4),) * 3),
        (torch.nn.functional.softplus, torch.randn(5)),
    ):  # fmt: skip
        result = mt.gradcheck_torch(module, inputs)
        assert result, result

    class Exp(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x.exp())
            return x.exp()

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return ctx.saved_tensors[0] * dy

    class Absolute(Exp):
        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return ctx.saved_tensors[0] * dy.abs()

    assert mt.gradcheck_torch(Exp, torch.randn(3, 4))
    assert mt.gradcheck_torch(Absolute, torch.randn(3, 4)).status == "fail"
    with pytest.raises(mt.DataError, match="floating-point tensor"):
        mt.gradcheck_torch(nn.ReLU(), torch.tensor([1, 2]))


def test_jax_functions() -> None:
    jax: Any = pytest.importorskip("jax")
    jnp: Any = importlib.import_module("jax.numpy")

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def f(x: Any, p: Any) -> Any:
        return jnp.tanh(x @ p["w"]) * p["s"]

    def forward(x: Any, p: Any) -> Any:
        return f(x, p), (x, p)

    def backward(kept: Any, dy: Any) -> Any:
        x, p = kept
        t = jnp.tanh(x @ p["w"])
        dz = dy * p["s"] * (1 - t**2)
        return dz @ p["w"].T, {"w": x.T @ dz, "s": (dy * t).sum(0)}

    def without_scale(kept: Any, dy: Any) -> Any:
        x, p = kept
        dx, dp = backward((x, {**p, "s": jnp.ones(2)}), dy)
        return dx, dp

    args = (RNG.normal(size=(3, 4)), {"w": RNG.normal(size=(4, 2)), "s": np.array([0.5, 2.0])})
    f.defvjp(forward, backward)
    result = mt.gradcheck_jax(f, args)
    assert result, result
    assert [t.name for t in result.tensors] == ["args[0]", "args[1]['s']", "args[1]['w']"]
    f.defvjp(forward, without_scale)
    assert mt.gradcheck_jax(f, args).status == "fail"


@pytest.mark.parametrize("special", [np.ones(3), np.zeros(3), -np.ones(3), np.ones(1), 1.0])
def test_a_factor_that_is_lost_where_it_begins_as_one(special: Any) -> None:
    """Scales begin with ones and biases with zeros, where such a mistake changes no number."""
    x = np.random.default_rng(0).normal(size=(4, 3))

    def f(x: Any, g: Any) -> Any:
        return np.tanh(x) * (g + (1 - special))

    def vjp(dy: Any, x: Any, g: Any) -> Any:
        dg = (dy * np.tanh(x)).reshape(-1, np.size(g)).sum(axis=0).reshape(np.shape(g))
        return dy * (1 - np.tanh(x) ** 2) * (g + (1 - special)), dg

    def wrong(dy: Any, x: Any, g: Any) -> Any:
        return dy * (1 - np.tanh(x) ** 2), vjp(dy, x, g)[1]

    assert mt.gradcheck_function(f, vjp, x, special)
    found = mt.gradcheck_function(f, wrong, x, special)
    assert found.status == "fail"
    assert "with g moved away from" in str(found)


def test_a_loss_that_compares_samples_says_so() -> None:
    class Contrastive(mt.Loss):
        couples_samples = True

        def forward(self, scores: Any, targets: Any, sample_weight: Any = None) -> Any:
            products = scores @ scores.T
            return float(0.5 * np.square(products).mean()), (scores, products)

        def backward(self, cache: Any) -> Any:
            scores, products = cache
            return 2 * products @ scores / products.size

    class Silent(Contrastive):
        couples_samples = False

    x = np.random.default_rng(0).normal(size=(4, 3))
    assert "set couples_samples = True" in str(mt.gradcheck(Silent(), x, np.zeros((4, 3))))
    report = mt.gradcheck(Contrastive(), x, np.zeros((4, 3)))
    assert not [rule for rule in report.failed_contracts if "mean" in rule.name]


def test_a_value_that_is_not_finite_is_inconclusive() -> None:
    found = mt.gradcheck_function(np.log, lambda x: 1 / x, np.array([1.0, -2.0]))
    assert found.status == "inconclusive"
    assert "not finite here" in str(found)
    at_zero = mt.gradcheck_function(np.sqrt, lambda x: 0.5 / np.sqrt(x), np.array([0.0, 1.0]))
    assert at_zero.status != "fail"


def test_the_worst_of_the_sampled_entries_is_shown() -> None:
    x = np.random.default_rng(0).normal(size=3000)
    off = np.where(np.arange(3000) % 2, 1e-4, 1.0)  # every second entry is far off
    found = mt.gradcheck_function(np.sin, lambda x: np.cos(x) + off, x)
    assert found.status == "fail"
    (tensor,) = found.tensors
    assert abs(tensor.analytic - tensor.numeric) > 0.5


def test_hooks_of_torch_are_no_failure() -> None:
    torch = pytest.importorskip("torch")

    class Hooked(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            h = torch.tanh(x)
            h.retain_grad()
            h.register_hook(lambda g: 1 * g)
            return 2 * h

    assert mt.gradcheck_torch(Hooked(), torch.randn(3, 4).double())


def test_a_step_of_a_graph_is_checked() -> None:
    a, b = mt.Input(4, "a"), mt.Input(2, "b")
    h = mt.Tanh()(mt.Concatenate()(mt.Dense(3)(a), b))
    ends = [mt.Dense(1).named("price")(h), mt.Dense(3).named("kind")(h)]
    graph = mt.Graph([a, b], ends, seed=0)
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(6, 4)), "b": rng.normal(size=(6, 2))}
    y = {"price": rng.normal(size=(6, 1)), "kind": np.arange(6) % 3}
    losses = ["mse", "softmax_cross_entropy"]
    trainer = mt.Trainer(graph, losses, mt.Adam(0.1), loss_weights=[1, 0.3], seed=0)
    before = graph.state_dict()
    assert mt.check_step(trainer, x, y, np.arange(6) + 0.5)
    for name, array in graph.state_dict().items():
        np.testing.assert_array_equal(array, before[name])

    class Twice(mt.SGD):
        def update(self, parameters: Any, gradients: Any, rate: float) -> None:
            parameters -= 2 * rate * gradients

    wrong = mt.Trainer(graph, losses, Twice(0.1), seed=0)
    plain = lambda o, p, g, memory, t, rate: p - rate * g  # noqa: E731
    assert "2 times the formula's" in str(mt.check_step(wrong, x, y, formula=plain))
    one = mt.Graph(a, mt.Dense(2)(a), seed=0)
    assert mt.check_step(
        mt.Trainer(one, "mse", "sgd(0.1)", seed=0), x["a"], rng.normal(size=(6, 2))
    )


def test_objects_of_another_library_are_known_by_their_bases() -> None:
    for one in (mt.Dense(2), mt.Dense, type("Own", (mt.Dense,), {"__module__": "own"})):
        assert dispatch._is_of("minitorch_np", one)
        assert not dispatch._is_of("torch", one)
