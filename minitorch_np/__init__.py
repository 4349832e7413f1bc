"""minitorch_np: neural networks to understand and to trust, in NumPy.

Layers know their own derivatives, `Sequential` composes them into a model, a loss measures its
error, and a `Trainer` reduces it. The network of two hand-written notes, 784-10-10 on handwritten
digits, is one configuration: `notes_network()`.

All public names are here; `import minitorch_np as mt`.
"""

import importlib
from typing import TYPE_CHECKING

from minitorch_np import errors

errors.quiet_interrupts()

from minitorch_np import (
    data,
    initializers,
    layers,
    losses,
    names,
    networks,
    optimizers,
    schedules,
    training,
)
from minitorch_np.core.generation import generate
from minitorch_np.errors import *
from minitorch_np.gradcheck import (
    assert_gradients,
    check_step,
    gradcheck,
    gradcheck_all,
    gradcheck_function,
    gradcheck_jax,
    gradcheck_torch,
    hessian_vector_product,
)
from minitorch_np.layers import *
from minitorch_np.losses import *
from minitorch_np.networks import *
from minitorch_np.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Optimizer, RMSprop
from minitorch_np.training import *

if TYPE_CHECKING:
    from minitorch_np.exchange import from_onnx, from_torch, to_onnx, to_torch
    from minitorch_np.experiments import (
        Comparison,
        Configuration,
        Diagnosis,
        Diagnostics,
        Finding,
        compare,
        diagnose,
    )
    from minitorch_np.reports import Report, report
    from minitorch_np.reports.animation import Animation
    from minitorch_np.reports.boundary import plot_boundary
    from minitorch_np.reports.model_page import page
    from minitorch_np.reports.model_plots import (
        plot_calibration,
        plot_confusion,
        plot_errors,
        plot_weights,
    )
    from minitorch_np.reports.playground import playground
    from minitorch_np.reports.plots import plot_activations
    from minitorch_np.reports.saliency import plot_saliency, saliency
    from minitorch_np.reports.trace import Trace, trace
else:
    # Imported when they are asked for: most programs only train.
    _LATER = {
        **dict.fromkeys(("Comparison", "Configuration", "compare"), "experiments"),
        **dict.fromkeys(("Diagnosis", "Diagnostics", "Finding", "diagnose"), "experiments"),
        **dict.fromkeys(("Report", "report"), "reports"),
        **dict.fromkeys(("from_onnx", "from_torch", "to_onnx", "to_torch"), "exchange"),
        **dict.fromkeys(
            ("plot_calibration", "plot_confusion", "plot_errors", "plot_weights"),
            "reports.model_plots",
        ),
        "plot_activations": "reports.plots",
        **dict.fromkeys(("Trace", "trace"), "reports.trace"),
        "Animation": "reports.animation",
        "page": "reports.model_page",
        "plot_boundary": "reports.boundary",
        **dict.fromkeys(("plot_saliency", "saliency"), "reports.saliency"),
        "playground": "reports.playground",
    }

    def __getattr__(name):
        if name in _LATER:
            found = getattr(importlib.import_module(f"minitorch_np.{_LATER[name]}"), name)
            return globals().setdefault(name, found)
        hint = "" if name.startswith("__") else names.hint(name, __dir__())
        raise AttributeError(f"module 'minitorch_np' has no attribute {name!r}{hint}")

    def __dir__():
        return sorted({*globals(), *_LATER})


__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Animation",
    "Comparison",
    "Configuration",
    "Diagnosis",
    "Diagnostics",
    "Finding",
    "Lion",
    "Optimizer",
    "RMSprop",
    "Report",
    "Trace",
    "assert_gradients",
    "check_step",
    "compare",
    "data",
    "diagnose",
    "from_onnx",
    "from_torch",
    "generate",
    "gradcheck",
    "gradcheck_all",
    "gradcheck_function",
    "gradcheck_jax",
    "gradcheck_torch",
    "hessian_vector_product",
    "initializers",
    "losses",
    "optimizers",
    "page",
    "playground",
    "plot_activations",
    "plot_boundary",
    "plot_calibration",
    "plot_confusion",
    "plot_errors",
    "plot_saliency",
    "plot_weights",
    "report",
    "saliency",
    "schedules",
    "to_onnx",
    "to_torch",
    "trace",
]
__all__ += errors.__all__
__all__ += layers.__all__
__all__ += losses.__all__
__all__ += networks.__all__
__all__ += training.__all__
