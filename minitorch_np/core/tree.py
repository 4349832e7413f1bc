"""Named arrays in a tree of layers.

A layer has parameters and buffers of its own, and those of the layers inside it. Each has a full
name: the path of its layer, then its own name, as in "0.weight". A layer used in two places has one
set of parameters, named after the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Self, TypeAlias, TypeVar

import numpy as np

from minitorch_np.arrays import AnyArray, Array, StrPath, require_unmasked
from minitorch_np.core.room import take_room
from minitorch_np.errors import ConfigurationError, DataError, NotBuiltError, ShapeError
from minitorch_np.io.safetensors import read_safetensors, write_safetensors
from minitorch_np.signature import Explained, arguments_of
from minitorch_np.validation import flag, instance, require

P = TypeVar("P", bound="Tree[Any]")

Owner: TypeAlias = tuple[str, P, str]
"""A parameter's full name, the layer that owns it, and the attribute's name."""


class TreeType(Explained):
    """Adds the argument `name` to each layer's constructor, user-defined ones too; see `named`."""

    def __call__(cls, *arguments: Any, name: str | None = None, **options: Any) -> Any:  # noqa: N805
        if name is not None and "name" in arguments_of(cls):
            return super().__call__(*arguments, name=name, **options)
        made = super().__call__(*arguments, **options)
        return made if name is None else made.named(name)


class Tree(Generic[P]):
    """A tree of layers, whose parameters and buffers have names."""

    parameter_names: tuple[str, ...] = ()
    """The attributes that are parameters, in the order in which they are stored."""

    buffer_names: tuple[str, ...] = ()
    """Attributes that `forward` updates in training and that are not trained, such as the running
    statistics of BatchNorm. They are saved with the parameters."""

    given_name: str | None = None
    """The name that `named` set."""

    def named(self, name: str) -> Self:
        """Set the name that replaces the layer's number in a container. Returns the layer itself.

        Dense(10).named("fc1"), or Dense(10, name="fc1"), has the parameter "fc1.weight" there.
        Raises ConfigurationError for anything but letters, digits and underscores.
        """
        right = isinstance(name, str) and name.isidentifier()
        require(right, self, "a name of letters, digits and underscores, such as 'fc1'", name)
        self.given_name = name
        return self

    def __setattr__(self, name: str, value: object) -> None:
        # A parameter of another dtype would change that of all outputs, another shape break it.
        if name in self.parameter_names + self.buffer_names and self.built:
            before = vars(self)[name]
            value = np.asarray(value, before.dtype)
            if value.shape != before.shape:
                raise ShapeError(
                    f"{self.label}: expected its {name} to have the shape {before.shape}, for "
                    f"which it was built, got {value.shape}"
                )
        super().__setattr__(name, value)

    @property
    def label(self) -> str:
        """A short description, for errors and tables."""
        return type(self).__name__ if self.sublayers() else repr(self)

    @property
    def built(self) -> bool:
        """Whether the layer has its shapes and parameters."""
        return "output_shape" in vars(self)

    def require_built(self) -> None:
        """Raise NotBuiltError if the layer has no shapes and parameters yet."""
        if not self.built:
            raise NotBuiltError(
                f"{self.label}: expected a built layer, got one without shapes and parameters: "
                "give the model input_shape=..., "
                "or call initialize(input_shape, rng=..., dtype=...)"
            )

    def sublayers(self) -> Mapping[str, P]:
        """The layers inside, by the prefix of their parameters' names.

        These are attributes that are layers, and lists of layers ("blocks.0").
        """
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Tree):
                found[name] = value
            elif isinstance(value, (list, tuple)):
                for place, item in enumerate(value):
                    if isinstance(item, Tree):
                        found[f"{name}.{place}"] = item
        return found

    def walk(self) -> Iterator[P]:
        """This layer and all layers inside, from the outside in."""
        yield self  # type: ignore[misc]
        for layer in self.sublayers().values():
            yield from layer.walk()

    def owners(self, *kinds: str) -> list[Owner[P]]:
        """`(name, layer, attribute)` for each parameter or buffer; a shared one appears each time.

        `kinds` are "parameter_names", "buffer_names", or both.
        """
        own: list[Any] = []
        for kind in kinds:
            for key in getattr(self, kind):
                own.append((key, self, key))
        for prefix, layer in self.sublayers().items():
            for name, at, key in layer.owners(*kinds):
                own.append((f"{prefix}.{name}", at, key))
        return own

    def parameter_owners(self) -> list[Owner[P]]:
        """The same for parameters, each listed once, under its first name."""
        found: dict[tuple[int, str], Owner[P]] = {}
        for owner in self.owners("parameter_names"):
            found.setdefault((id(owner[1]), owner[2]), owner)
        return list(found.values())

    def named_parameters(self) -> dict[str, Array]:
        """The parameters by name: the arrays themselves; changing one in place changes the layer.

        Names are PyTorch's: "weight", and "0.weight" for that of sublayer "0". A shared parameter
        has the name of its first place. Raises NotBuiltError.
        """
        return _arrays(self.owners("parameter_names"))

    def named_buffers(self) -> dict[str, Array]:
        """The buffers by name, such as running statistics: the arrays themselves."""
        return _arrays(self.owners("buffer_names"))

    def count_parameters(self) -> int:
        """The total number of parameters."""
        return sum(array.size for array in self.named_parameters().values())

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by name, as in PyTorch."""
        arrays = _arrays(self.owners("parameter_names", "buffer_names"))
        return {name: array.copy() for name, array in arrays.items()}

    def load_state_dict(
        self,
        state: Mapping[str, AnyArray],
        strict: bool = True,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Set parameters and buffers from arrays by name: all, or with `strict=False` those given.

        `names` maps names in `state`, or their prefixes, to names here: with {"fc1": "0"},
        PyTorch's "fc1.weight" sets "0.weight". Raises DataError that lists every missing,
        unexpected and misshapen name, ConfigurationError for `names` by which two arrays get the
        same; nothing is changed then.
        """
        place = f"{type(self).__name__}.load_state_dict"
        instance(place, "state", state, Mapping)
        if names is not None:
            instance(place, "names", names, Mapping)
            renamed = [_renamed(name, names) for name in state]
            twice = sorted({name for name in renamed if renamed.count(name) > 1})
            require(not twice, place, "names that lead to different ones", ", ".join(twice))
            state = dict(zip(renamed, state.values(), strict=True))
        present = _arrays(self.owners("parameter_names", "buffer_names"))
        load_arrays(present, state, flag(place, "strict", strict), place)

    def save_weights(self, path: StrPath) -> None:
        """Write the `state_dict` to a safetensors file, atomically.

        PyTorch and others can read it. Raises MissingExtraError, NotBuiltError, OSError.
        """
        write_safetensors(path, self.state_dict())

    def load_weights(
        self, path: StrPath, strict: bool = True, names: Mapping[str, str] | None = None
    ) -> None:
        """Set parameters and buffers from a safetensors file.

        `strict` and `names` are those of `load_state_dict`. Raises MissingExtraError,
        ModelFileError, DataError.
        """
        self.load_state_dict(read_safetensors(path), strict, names)


def _arrays(owners: list[Owner[P]]) -> dict[str, Array]:
    """The arrays by name, each once. Raises NotBuiltError."""
    named, seen = {}, set()
    for name, owner, key in owners:
        if "output_shape" not in vars(owner):  # as `built`, without a call
            owner.require_built()
        if (id(owner), key) not in seen:
            named[name] = getattr(owner, key)
        seen.add((id(owner), key))
    return named


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """The name, with its longest prefix that is in `names` replaced."""
    parts = str(name).split(".")
    for n in range(len(parts), 0, -1):
        if (beginning := ".".join(parts[:n])) in names:
            return ".".join([str(names[beginning]), *parts[n:]])
    return name


def own_array(made: object, dtype: np.dtype[Any], place: str, name: str) -> Array:
    """A copy of the array that `place` created as `name`; it shares no memory.

    Raises ConfigurationError unless it is an array of `dtype`.
    """
    if not isinstance(made, np.ndarray) or made.dtype != dtype:
        raise ConfigurationError(
            f"{place}: expected it to make {name!r} as an array of {dtype}, "
            f"got {getattr(made, 'dtype', made)}: set self.{name} there"
        )
    take_room(place, made.size)
    return np.array(made, order="C")


def load_arrays(
    present: Mapping[str, Array], given: Mapping[str, AnyArray], strict: bool, place: str
) -> None:
    """Set the arrays `present` from those given under the same names; if `strict`, all of them.

    Raises DataError that lists everything that does not fit; nothing is changed then.
    """
    # PyTorch's BatchNorm also counts batches, which nothing here needs.
    given = {n: a for n, a in given.items() if not str(n).endswith("num_batches_tracked")}
    wrong, advice = [], ""
    if strict:
        wrong += [f"{name} is missing" for name in present if name not in given]
        wrong += [f"{name} is unexpected" for name in given if name not in present]
        advice = _advice(present, given)
    for name, values in given.items():
        require_unmasked(values, name)
    fitting = {name: np.asarray(given[name]) for name in present if name in given}
    for name, array in fitting.items():
        if array.shape != present[name].shape or array.dtype.kind not in "fiu":
            wrong.append(
                f"{name}: expected numbers of shape {present[name].shape}, "
                f"got {array.dtype} of shape {array.shape}"
            )
    if wrong:
        raise DataError(f"{place}: {'; '.join(wrong)}{advice}")
    for name, array in fitting.items():
        present[name][...] = array


def _advice(present: Mapping[str, Array], given: Mapping[str, AnyArray]) -> str:
    """What `names` to write if arrays of the same shapes, in the same order, have other names."""
    here = [name for name in present if name not in given]
    there = [str(name) for name in given if name not in present]
    alike = len(here) == len(there) and all(
        present[one].shape == np.shape(given[other]) for one, other in zip(here, there, strict=True)
    )
    if not (here and alike):
        return ""
    pairs = [(a.rpartition("."), b.rpartition(".")) for a, b in zip(here, there, strict=True)]
    names = {other[0] or other[2]: one[0] or one[2] for one, other in pairs}
    right = [_renamed(name, names) for name in there] == here
    return f": did you mean names={names}?" if right else ""
