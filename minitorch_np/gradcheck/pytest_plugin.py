"""A pytest plugin for gradient checks in your own tests.

Installing this package adds two features to pytest. The fixture `gradcheck` checks an object and
fails with the report:

    def test_my_layer(gradcheck):
        gradcheck(MyLayer(3), x)

    def test_my_function(gradcheck):
        gradcheck(softplus, softplus_derivative, x)

The mark `gradcheck_components` runs a test once for each layer and loss that a package defines,
including those without cases, so that none can be forgotten:

    @pytest.mark.gradcheck_components("my_package")
    def test_all_of_mine(component, gradcheck):
        gradcheck(component)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line(
        "markers",
        "gradcheck_components(package): run for each layer and loss that the package defines",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of a marked test for each component."""
    mark = metafunc.definition.get_closest_marker("gradcheck_components")
    if mark is None:
        return
    from minitorch_np.gradcheck.registry import components

    (package,) = mark.args
    importlib.import_module(package)  # defines the classes
    found = components(package)
    metafunc.parametrize("component", found, ids=[cls.__name__ for cls in found])


@pytest.fixture
def gradcheck() -> Callable[..., None]:
    """Check any object with a gradient, see `check_any`; fail with the report if it is wrong."""
    from minitorch_np.gradcheck.dispatch import check_any

    def check(obj: Any, *arguments: Any, **options: Any) -> None:
        for result in check_any(obj, *arguments, **options):
            assert result, str(result)

    return check
