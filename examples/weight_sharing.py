"""Weight sharing: one layer in three places of a network.

A layer object in three places has one set of parameters. It is called three times in the forward
pass, and its three gradients are added up in the backward pass. This needs no special code: a call
leaves no state on the layer, so it may be used any number of times.

    python examples/weight_sharing.py
"""

import minitorch_np as mt


def main() -> None:
    """Train with a shared layer and with three separate ones; compare size and accuracy."""
    digits = mt.data.load_mnist()
    x, y = digits.train.features(), digits.train.labels
    results = []
    thought = mt.Dense(32)
    for name, thoughts in {
        "shared": [thought] * 3,
        "of their own": [mt.Dense(32) for _ in range(3)],
    }.items():
        layers: list[mt.Layer | str] = [mt.Dense(32), "tanh"]
        for layer in thoughts:
            layers += [layer, "tanh"]
        model = mt.Sequential(*layers, mt.Dense(10), input_shape=784, seed=0)
        if name == "shared":
            model.summary()
            part = digits.train.take(slice(16))
            print(mt.gradcheck(model, part.features(), part.labels).status, "the gradients add up")
        trainer = mt.Trainer(
            model, mt.SoftmaxCrossEntropy(), mt.Adam(0.002), metrics=[mt.Accuracy()], seed=0
        )
        trainer.fit(x, y, epochs=3, batch_size=50)
        test = trainer.evaluate(digits.test.features(), digits.test.labels)
        results.append(f"{name}: {model.count_parameters():,} parameters, {test['accuracy']:.3f}")
    print("; ".join(results))


if __name__ == "__main__":
    main()
