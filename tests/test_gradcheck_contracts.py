"""Each rule that a layer has to keep, broken in one place: what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.gradcheck import contracts
from minitorch_np.gradcheck.bench import Bench, history_does_not_matter
from minitorch_np.gradcheck.contracts import check_contracts
from minitorch_np.gradcheck.report import ContractResult


class Scale(mt.Layer):
    """y = w x for each feature; right, until something is overridden."""

    parameter_names = ("w",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.w = rng.uniform(0.5, 1.5, input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x * self.w, x

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        return dy * self.w, {"w": (dy * x).sum(axis=0)}


class Noisy(Scale):
    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x * self.w + np.random.normal(), x


class GlobalBuild(Scale):
    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.w = np.random.uniform(0.5, 1.5, input_shape).astype(dtype)
        return input_shape


class OwnBuild(Scale):
    made = 0

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        OwnBuild.made += 1
        self.w = np.full(input_shape, 1.0 + OwnBuild.made, dtype)
        return input_shape


class Renamed(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx, {"v": gradients["w"]}


class Shaped(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx, {"w": gradients["w"][None]}


class Narrow(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx, {"w": gradients["w"].astype(np.float32)}


class Centred(Scale):
    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return (x - x.mean(axis=0)) * self.w, x - x.mean(axis=0)

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dz = dy * self.w
        return dz - dz.mean(axis=0), {"w": (dy * x).sum(axis=0)}


class DividedDx(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx / len(dy), gradients


class DividedW(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx, {"w": gradients["w"] / len(dy)}


class SmallBatches(Scale):
    """Right for up to eight samples."""

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx * (len(dy) <= 8), gradients


class Widens(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return np.asarray(dx, np.float64), gradients


class Coarse(Scale):
    """Wrong in float32 alone."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y, cache = super().forward(x)
        return (np.round(y, 2) if y.dtype == np.float32 else y), cache


class InMemoryOrder(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return np.ravel(dx, order="K").reshape(dx.shape), gradients


class NeedsDx(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        return dx, {"w": gradients["w"] * need_dx}


class Counts(Scale):
    """A buffer that moves, when it should and when not."""

    buffer_names = ("seen",)
    when = "train"

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.seen = np.zeros(1, dtype)
        return super().build(input_shape, rng=rng, dtype=dtype)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        if train or self.when == "always":
            self.seen += 1
        return super().forward(x)

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        if self.when == "backward":
            self.seen += 1
        return super().backward(dy, x)


class CountsAlways(Counts):
    when = "always"


class CountsBackward(Counts):
    when = "backward"


class OtherShape(Scale):
    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y, cache = super().forward(x)
        return (y if train else y[:, :1]), cache


class Infinite(Scale):
    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y, cache = super().forward(x)
        return (y if train else y / 0.0), cache


class Overflows(Scale):
    """tanh by exp, which is not finite far out."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return np.tanh(x) * self.w, x

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        e = np.exp(2 * x)
        return dy * self.w * 4 * e / (e + 1) ** 2, {"w": (dy * np.tanh(x)).sum(axis=0)}


class Remembers(Scale):
    """The first w is kept, and used in backward."""

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        self.first = getattr(self, "first", self.w.copy())
        return dy * self.first, gradients


class Buffer(Scale):
    """One array for all outputs."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        y, cache = super().forward(x)
        if getattr(self, "out", np.zeros(0)).shape != y.shape:
            self.out = y
        self.out[...] = y
        return self.out, cache


class Accumulates(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        self.total = getattr(self, "total", 0.0) + gradients["w"]
        return dx, {"w": self.total}


class KeepsCache(Scale):
    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        self.x = x
        return super().forward(x)

    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        return super().backward(dy, self.x)


class ChangesDy(Scale):
    def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
        dx, gradients = super().backward(dy, x)
        dy *= self.w
        return dx, gradients


RULES: dict[type[Scale], tuple[str, str]] = {
    Renamed: ("names shapes and dtypes", "expected gradients of ['w', 'x'], got ['v', 'x']"),
    Shaped: (
        "names shapes and dtypes",
        "expected dw of shape (3,) in float64, got (1, 3) in float64",
    ),
    Narrow: (
        "names shapes and dtypes",
        "expected dw of shape (3,) in float64, got (3,) in float32",
    ),
    Centred: (
        "samples are independent",
        "row 0 alone gives another output than in the batch: if that is intended, as in BatchNorm, "
        "set couples_samples = True",
    ),
    DividedDx: (
        "samples are independent",
        "row 0 alone has another dx than in the batch: are samples mixed, or is it divided by m?",
    ),
    DividedW: (
        "samples are independent",
        "dw is not the sum over the samples: are some left out, or is it divided by m?",
    ),
    SmallBatches: ("samples are independent", "dx of a batch of 36 is not that of its samples"),
    Noisy: ("randomness is handed in", "np.random is used: draw from the rng that is passed in"),
    GlobalBuild: (
        "randomness is handed in",
        "np.random is used: draw from the rng that is passed in",
    ),
    OwnBuild: ("randomness is handed in", "two builds with the same rng differ in w"),
    Widens: ("float32 stays", "float32 in, but dx is float64"),
    Coarse: ("float32 stays", "y in float32 is not close to that in float64"),
    InMemoryOrder: (
        "layout does not matter",
        "dx differs for x and dy that are not contiguous",
    ),
    NeedsDx: ("need dx is only a hint", "with need_dx=False dw differs"),
    CountsAlways: ("prediction runs", "seen changes when predicting"),
    OtherShape: (
        "prediction runs",
        "expected outputs of shape (4, 3) when predicting, got (4, 1)",
    ),
    Infinite: ("prediction runs", "outputs are not finite when predicting"),
    Overflows: ("finite far out", "dx is not finite for inputs of +-1000"),
    CountsBackward: ("history does not matter", "backward changes seen"),
    ChangesDy: ("history does not matter", "changed in place: dy"),
    Accumulates: (
        "history does not matter",
        "another backward from the same cache differs in dw: something accumulates",
    ),
    Buffer: (
        "history does not matter",
        "y was changed by a later call: it is a buffer that is used again",
    ),
    KeepsCache: (
        "history does not matter",
        "a forward in between changes dw: the cache is kept on the layer or its class",
    ),
    Remembers: (
        "history does not matter",
        "after a change of the parameters dx is not that of a fresh copy: something is remembered "
        "from before",
    ),
}


def built(layer: mt.Layer) -> tuple[mt.Layer, Any]:
    layer.initialize((3,), rng=np.random.default_rng(1), dtype=np.float64)
    return layer, np.random.default_rng(2).normal(size=(4, 3))


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
def test_a_broken_rule_is_told(kind: type[Scale]) -> None:
    rule, detail = RULES[kind]
    with np.errstate(all="ignore"):
        found = {each.name: each for each in check_contracts(*built(kind()), seed=0)}
    assert found[rule] == ContractResult(rule, False, detail)


def test_rules_that_are_kept() -> None:
    for layer in (Scale(), Counts()):
        found = check_contracts(*built(layer), seed=0)
        assert [each.name for each in found] == [
            "names shapes and dtypes", "history does not matter", "linear",
            "samples are independent", "float32 stays", "layout does not matter",
            "need dx is only a hint", "randomness is handed in", "prediction runs",
            "finite far out",
        ]  # fmt: skip
        assert all(each.ok and not each.detail for each in found), found


def test_of_a_container_those_between_layers_are_tested() -> None:
    model = mt.Sequential(Scale(), "tanh", input_shape=3, seed=0, dtype="float64")
    x = np.random.default_rng(2).normal(size=(4, 3))
    assert [each.name for each in check_contracts(model, x, 0)] == [
        "names shapes and dtypes", "history does not matter", "linear", "samples are independent",
        "float32 stays", "need dx is only a hint",
    ]  # fmt: skip


def test_a_layer_that_does_not_run_breaks_one_rule() -> None:
    class Fails(Scale):
        def backward(self, dy: Any, x: Any, *, need_dx: bool = True) -> Any:
            raise KeyError("w")

    assert check_contracts(*built(Fails()), 0) == [
        ContractResult("forward and backward run", False, "KeyError: 'w'")
    ]


def test_a_bench_holds_numbers_of_float32() -> None:
    layer, x = built(Scale())
    bench = Bench(layer, x, 5)
    for array in (bench.x, bench.dy, *bench.layer.named_parameters().values()):
        assert (array == array.astype(np.float32)).all()
        assert array.dtype == np.float64
    assert bench.same == 1e-12
    fresh: Any = bench.fresh(0.5)
    np.testing.assert_array_equal(fresh.w, 0.5 * bench.layer.w)  # type: ignore[attr-defined]
    found = bench.run(bench.fresh(), bench.x, bench.dy)
    np.testing.assert_array_equal(found["y"], bench.x * bench.layer.w)  # type: ignore[attr-defined]
    assert list(found) == ["y", "dx", "dw"]
    np.testing.assert_array_equal(bench.other(-0.7), -0.7 * bench.x)
    assert bench.differing(found, found) is None
    assert bench.differing({"y": found["y"]}, found) == "dx"
    assert bench.differing(found | {"dw": found["dw"] * (1 + 1e-9)}, found) == "dw"
    assert bench.near("dw", found["dw"] * (1 + 1e-15), found["dw"])
    assert not bench.near("y", found["y"][:1], found["y"])
    assert bench.near("y", found["y"] + 0.9e-12 * abs(found["y"]).max(), found["y"])
    assert not bench.near("y", found["y"] + 1.1e-12 * abs(found["y"]).max(), found["y"])
    table = mt.Embedding(5, 2)
    table.initialize((3,), rng=np.random.default_rng(0), dtype=np.float64)
    rows = np.array([[0.0, 1, 2], [3, 4, 0]])
    assert Bench(table, rows, 0).other(7.0).tolist() == [[0, 4, 3], [2, 1, 0]]
    assert history_does_not_matter(bench) is None
    model = mt.Sequential(Scale(), input_shape=3, seed=0, dtype="float64")
    assert Bench(model, x, 5).same == 1e-8


def test_what_rounding_is_stays_so_when_it_is_measured_better() -> None:
    """It is that of the dy of the bench, not of the difference to another one."""
    bench = Bench(*built(Scale()), 0)
    before = bench.claim.value_noise, bench.claim.noise["w"], bench.claim.sigma
    assert bench.claim.refine()
    after = bench.claim.value_noise, bench.claim.noise["w"], bench.claim.sigma
    assert all(a <= b < 10 * a < 1e-12 for a, b in zip(before, after, strict=True))


def test_the_global_generator_is_left_as_it_was() -> None:
    np.random.seed(7)
    expected = np.random.uniform(size=3)
    bench = Bench(*built(Noisy()), 0)
    np.random.seed(7)
    contracts.randomness_is_handed_in(bench)
    np.testing.assert_array_equal(np.random.uniform(size=3), expected)


def test_a_nearly_closed_gate_may_be_lost_in_single() -> None:
    """In float32 the gates are (1 + tanh) / 2, exactly 0 here, and 1e-9 in float64."""
    layer = mt.LSTM(1)
    mt.Sequential(layer, input_shape=(2, 1), seed=0, dtype=np.float64)
    layer.bias_ih_l0[...] = [-20, 0, 1, 0]
    found = mt.gradcheck(layer, np.array([[[0.5], [-0.3]], [[0.2], [0.1]]]))
    assert found, str(found)
