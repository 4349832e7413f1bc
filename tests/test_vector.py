"""All parameters in one vector: views that stay views, and nobody else's memory."""

import copy

import numpy as np
import pytest

import minitorch_np as mt
from minitorch_np.core.parameters import ParameterVector
from tests.test_sequential import small


def test_parameters_are_views_of_one_vector() -> None:
    model = small()
    named = model.named_parameters()
    assert [(name, array.shape) for name, array in named.items()] == [
        ("0.weight", (4, 5)),
        ("0.bias", (4,)),
        ("2.weight", (3, 4)),
        ("2.bias", (3,)),
    ]
    vector = ParameterVector(model)
    assert vector.values.size == model.count_parameters() == 39
    vector.values[:] = np.arange(39)
    assert named["0.weight"][0].tolist() == [0, 1, 2, 3, 4]
    assert named["2.bias"].tolist() == [36, 37, 38]
    assert ParameterVector(model).values.ctypes.data == vector.values.ctypes.data  # not made twice


def test_views_stay_alive_through_training() -> None:
    model = small()
    weight = model.named_parameters()["0.weight"]
    before = weight.copy()
    mt.Trainer(model, mt.SoftmaxCrossEntropy(), mt.SGD(0.1)).fit(np.ones((4, 5)), [0, 1, 2, 0])
    assert weight is model.named_parameters()["0.weight"]
    assert not np.array_equal(weight, before)


def test_an_inner_model_has_a_part_of_the_outer_vector() -> None:
    inner = mt.Sequential(mt.Dense(4), mt.Dense(4))
    outer = mt.Sequential(mt.Dense(4), inner, mt.Dense(2), input_shape=3, seed=0)
    whole, part = ParameterVector(outer), ParameterVector(inner)
    assert np.shares_memory(whole.values, part.values)
    assert part.values.size == inner.count_parameters() == 40
    part.values[:] = 7
    assert (outer.named_parameters()["1.0.weight"] == 7).all()
    assert np.shares_memory(ParameterVector(outer).values, whole.values)


def test_a_replaced_parameter_is_taken_up() -> None:
    model = small()
    dense = model[0]
    assert isinstance(dense, mt.Dense)
    dense.weight = np.zeros((4, 5), np.float32)
    vector = ParameterVector(model)
    vector.values[:] = 1
    assert (dense.weight == 1).all()
    twin = copy.deepcopy(model)
    ParameterVector(twin).values[:] = 2
    assert (twin.named_parameters()["0.weight"] == 2).all()
    assert (dense.weight == 1).all()


def test_a_model_without_parameters_works() -> None:
    model = mt.Sequential("relu", "softmax", input_shape=4)
    assert ParameterVector(model).values.size == 0
    assert model(np.ones((2, 4))).shape == (2, 4)
    dx, gradients = model.backward(np.ones((2, 4)), model.forward(np.ones((2, 4)))[1])
    assert dx is not None
    assert gradients == {}


def test_parameters_are_never_somebody_elses_memory() -> None:
    mine = np.arange(15, dtype=np.float32).reshape(3, 5)
    models = [
        mt.Sequential(
            mt.Dense(3, weight_initializer=lambda *_: mine, use_bias=False), input_shape=5
        )
        for _ in range(2)
    ]
    ParameterVector(models[0]).values[:] = 0
    assert mine[0].tolist() == [0, 1, 2, 3, 4]
    assert models[1].named_parameters()["0.weight"].sum() == mine.sum()


def test_a_replaced_parameter_keeps_dtype_and_shape() -> None:
    model = small()
    dense = model[0]
    assert isinstance(dense, mt.Dense)
    dense.weight = np.zeros((4, 5))  # float64, as everybody writes it
    assert ParameterVector(model).values.dtype == np.float32
    assert dense.weight.dtype == model.predict(np.ones((2, 5))).dtype == np.float32
    with pytest.raises(mt.ShapeError, match=r"Dense\(4\).*weight to have the shape \(4, 5\).*got"):
        dense.weight = np.zeros((5, 4))
    assert dense.weight.shape == (4, 5)
    norm = mt.BatchNorm()
    mt.Sequential(norm, input_shape=3)
    norm.running_mean = [1, 2, 3]  # type: ignore[assignment]
    assert norm.running_mean.dtype == np.float32
