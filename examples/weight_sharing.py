"""One layer in several places: the network thinks the same thought three times.

A layer object that stands in three places is one set of parameters. It is used three times on the
way forward, and its three gradients add up on the way back. Nothing has to be said for that: no
call leaves anything on the layer, so it may be used as often as one likes.

    python examples/weight_sharing.py
"""

import minitorch_np as mt


def main() -> None:
    """Train with a shared layer and with three of their own; compare size and accuracy."""
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
