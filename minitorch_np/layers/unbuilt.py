"""What stands where `build` has not put anything yet.

Before it is built a layer has no shapes and no parameters. Whoever asks for them should hear that,
and not that there is no such attribute. A descriptor on the class says so; as soon as the layer has
an attribute of its own of that name, it hides the class's.
"""

from typing import Any

from minitorch_np.errors import NotBuiltError


class MadeByBuild:
    """The attribute `name` of layers that are not built: raises NotBuiltError.

    (A `__getattr__` would do the same, and would make each access to each attribute of each layer
    several times slower.)
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, owner: type) -> "MadeByBuild":
        if layer is None:
            return self
        raise NotBuiltError(
            f"{layer.label}: expected a built layer, but it has no {self.name} yet: "
            "give the model input_shape=..., or call build(input_shape, rng=..., dtype=...)"
        )


def announce(layer_class: type, names: Any) -> None:
    """Let a class of layers say of each of these attributes that `build` makes it."""
    for name in names if isinstance(names, (tuple, list)) else ():
        if not hasattr(layer_class, name):
            setattr(layer_class, name, MadeByBuild(name))
