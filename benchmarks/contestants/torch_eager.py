"""PyTorch as its tutorials write it: modules, autograd, an optimizer."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from benchmarks.work import LENET5, Array, Task, initial_parameters

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def network(task: Task) -> Any:
    """The task's network, with the initial parameters that all share; LeNet-5 has its own."""
    if isinstance(task.sizes, str):
        layers: list[Any] = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(84, 10))
    layers = []
    for weight, bias in initial_parameters(task.sizes):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class TorchEager:
    """A model, a loss, an optimizer, and the usual five lines for a step."""

    def __init__(self, task: Task, x: Array, y: Array) -> None:
        torch.manual_seed(0)
        self.task = task
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.model = network(task)
        optimizer: Any = torch.optim.Adam if task.optimizer == "adam" else torch.optim.SGD
        self.optimizer = optimizer(self.model.parameters(), lr=task.rate)
        self.loss = nn.CrossEntropyLoss()

    def train(self) -> float:
        x, y, batch = self.x, self.y, self.task.batch or len(self.x)
        for _ in range(self.task.repeats):
            total = 0.0
            order: Any = torch.randperm(len(x))
            for rows in [slice(None)] if batch == len(x) else order.split(batch):
                xb, yb = x[rows], y[rows]
                self.optimizer.zero_grad()
                loss = self.loss(self.model(xb), yb)
                loss.backward()
                self.optimizer.step()
                total += loss.item() * len(yb)
        return total / len(x)

    def predict(self, x: Array) -> Array:
        with torch.inference_mode():
            scores: Array = self.model(torch.from_numpy(x)).numpy()
        return scores


def contestant(task: Task, x: Array, y: Array) -> TorchEager:
    """PyTorch at any of the tasks."""
    return TorchEager(task, x.reshape(-1, 1, 28, 28) if task.sizes == LENET5 else x, y)
