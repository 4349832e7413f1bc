"""Several inputs and outputs: a Graph predicts the rent of a flat, and how long it stays empty.

A flat is described by three numbers and by its district, one of eight. A district is a category,
not a quantity. An Embedding learns a point in the plane for each district: districts with similar
rents end up near each other. The numbers and the point are concatenated, and the network has two
outputs, each with its own loss. A network that receives only the numbers has to average over the
districts.

    python examples/two_inputs.py
"""

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import AnyArray, Array

LEVELS = np.array([8, 11, 14, 9, 12, 15, 10, 13])
"""The rent per square metre in each district."""


def flats(n: int, rng: np.random.Generator) -> tuple[dict[str, AnyArray], dict[str, Array]]:
    """Flats of a fictional town: inputs and targets."""
    size, age, floor = rng.uniform(20, 120, n), rng.uniform(0, 100, n), rng.integers(0, 8, n)
    district = rng.integers(len(LEVELS), size=n)
    level = LEVELS[district]
    rent = size * level * (1 - 0.3 * np.sin(np.pi * age / 100)) + 10 * floor
    rent += rng.normal(0, 25, n)
    days = np.maximum(1, 10 + rent / 40 - 1.5 * level + rng.normal(0, 2, n))
    numbers = np.stack([size, age, floor], 1)
    known = {"numbers": (numbers - [70, 50, 3.5]) / [30, 30, 2.3], "district": district[:, None]}
    return known, {"rent": rent[:, None] / 1000, "days": days[:, None] / 10}


def main() -> None:
    """Train with and without the district, and compare."""
    rng = np.random.default_rng(0)
    (x, y), (xt, yt) = flats(2000, rng), flats(500, rng)

    numbers, district = mt.Input(3, name="numbers"), mt.Input(1, name="district")
    table = mt.Embedding(len(LEVELS), 2, standard_deviation=0.05)  # all near each other at first
    place = mt.Flatten()(table(district))
    h = mt.ReLU()(mt.Dense(32)(mt.Concatenate()(numbers, place)))
    h = mt.ReLU()(mt.Dense(32)(h))
    outputs = [mt.Dense(1).named("rent")(h), mt.Dense(1).named("days")(h)]
    model = mt.Graph([numbers, district], outputs, seed=0)
    print(model)

    trainer = mt.Trainer(
        model,
        {"rent": "mse", "days": "huber(0.5)"},
        mt.Adam(mt.schedules.cosine(0.01, 40 * 40)),
        loss_weights={"rent": 10, "days": 1},
        seed=0,
    )
    trainer.fit(x, y, epochs=40, batch_size=50)
    rent, days = model.predict(xt)
    error = 1000 * np.abs(rent - yt["rent"]).mean()
    print(f"\nmean error: rent {error:.0f}, days {10 * np.abs(days - yt['days']).mean():.1f}")
    points = table.weight - table.weight.mean(0)
    along = points @ np.linalg.svd(points)[2][0]  # their longest axis
    print("districts along a line through their points:", *np.argsort(along))
    print("districts by the rent of a square metre:    ", *np.argsort(LEVELS))

    plain = mt.mlp([3, 32, 32, 1], seed=0)
    other = mt.Trainer(plain, "mse", mt.Adam(mt.schedules.cosine(0.01, 40 * 40)), seed=0)
    other.fit(x["numbers"], y["rent"], epochs=40, batch_size=50)
    without = 1000 * np.abs(plain.predict(xt["numbers"]) - yt["rent"]).mean()
    print(f"mean error of the rent: with the district {error:.0f}, without {without:.0f}")


if __name__ == "__main__":
    main()
