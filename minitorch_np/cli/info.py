"""Show the layers and parameters of a saved network."""

import argparse

from minitorch_np.cli.arguments import add_model, open_model, print_json

add_arguments = add_model


def run(arguments: argparse.Namespace) -> int:
    """Load, show."""
    model = open_model(arguments.model)
    if arguments.json:
        shapes = {name: array.shape for name, array in model.named_parameters().items()}
        print_json(
            {
                "model": arguments.model,
                "layers": [repr(layer) for layer in model],
                "input_shape": model.input_shape,
                "output_shape": model.output_shape,
                "dtype": str(model.dtype),
                "parameters": shapes,
                "total": model.count_parameters(),
            }
        )
    else:
        print(model)
        model.summary()
    return 0
