# %% [markdown]
# # The notes, step by step
#
# Two hand-written lecture notes build a neural network from nothing but NumPy and math: 784 pixels
# in, 10 hidden units, 10 classes out. Here they are from the first page to the last. Each equation
# is followed by the lines of code that compute it and a picture of the result.
#
# This file is a script, and it opens as a notebook: in JupyterLab with Jupytext, or in an editor
# that knows `# %%` cells. It needs the extra `plot`.

# %%
"""The two notes from the first page to the last: each equation with its code and a picture."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minitorch_np as mt


def heat_maps(**matrices: Any) -> Figure:
    """Matrices one below the other: red above zero, blue below, white at zero."""
    figure = Figure(figsize=(6, 1.6 * len(matrices)), layout="constrained")
    panels = figure.subplots(len(matrices), 1, squeeze=False).flat
    for axes, (name, matrix) in zip(panels, matrices.items(), strict=True):
        largest = np.abs(matrix).max()
        picture = axes.imshow(matrix, "RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
        axes.set_ylabel(f"{name}\n{matrix.shape[0]} x {matrix.shape[1]}")
        axes.locator_params(integer=True)
        figure.colorbar(picture, ax=axes)
    return figure


# %% [markdown]
# ## Images
#
# Each image has 28 x 28 = 784 pixels. A pixel is a number from 0 (black) to 255 (white). m is the
# number of images (the second note says n), and each image has a label, one of the 10 classes
# 0, 1, ..., 9.

# %%
digits = mt.data.load_mnist()  # a part of MNIST comes with the package
m = 100
images, labels = digits.train.images[:m], digits.train.labels[:m]
print(f"{m} images of {images.shape[1:]} pixels from {images.min()} to {images.max()}")


def gallery() -> Figure:
    """The first ten images and their labels."""
    figure = Figure(figsize=(6, 1.1), layout="constrained")
    for axes, image, label in zip(figure.subplots(1, 10), images, labels, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set(xticks=[], yticks=[], title=str(label))
    return figure


gallery()

# %% [markdown]
# ## One matrix
#
# Written as a CSV file, each row is one image and each column one pixel: m x 784. The notes
# transpose it, so that each *column* is one image:
#
# $$X = [\, x^{(1)} \; x^{(2)} \cdots x^{(m)} \,] \quad (784 \times m)$$
#
# The package keeps samples in rows, as NumPy and PyTorch do; its equations are these, transposed.
# Pixels are divided by 255: a network learns best from inputs of about size 1.

# %%
rows = images.reshape(m, 784) / 255
X = rows.T
print("X is", X.shape)
heat_maps(X=X)

# %% [markdown]
# ## The network
#
# Our goal: take an image, let the machine see it, predict what is written. How? Make a brain: a
# network of neurons. 2 + 1 layers: an input layer of 784 nodes, one hidden and one output layer of
# 10 nodes each, one output for each class.

# %%
model = mt.notes_network("relu", seed=0, dtype="float64")
model.summary()

# %% [markdown]
# Three options for the activations, "for now; many more are available": LeakyReLU + ELU,
# ReLU + ReLU, Sigmoid + Sigmoid. The network that the notes then work through is ReLU for the
# hidden layer and softmax for the outputs.

# %%
mt.plot_activations("leaky_relu", "elu", "relu", "sigmoid")

# %% [markdown]
# ## (i) Forward propagation
#
# Run the images through the network. The first layer, layer 0, is simply the input:
#
# $$A^{[0]} = X$$
#
# Then the hidden layer, not activated yet:
#
# $$Z^{[1]} = W^{[1]} A^{[0]} + b^{[1]} \qquad
# (10 \times m) = (10 \times 784)(784 \times m) + (10 \times 1)$$

# %%
first, second = model.state_dict()["0.weight"], model.state_dict()["2.weight"]
W1, b1 = first.copy(), np.zeros((10, 1))
W2, b2 = second.copy(), np.zeros((10, 1))

A0 = X
Z1 = W1 @ A0 + b1  # b1 has one column, which NumPy adds to each of the m columns
heat_maps(W1=W1, Z1=Z1)

# %% [markdown]
# Weighted sums of weighted sums are weighted sums again. So an activation function g is applied to
# each number: "simple, but adds the complexity that we need".
#
# $$A^{[1]} = g(Z^{[1]}) = \mathrm{ReLU}(Z^{[1]}), \qquad
# \mathrm{ReLU}(x) = \begin{cases} x & x > 0 \\ 0 & x \le 0 \end{cases}$$
#
# The two notes put the equals sign on different sides. The value at 0 is the same.

# %%
A1 = np.where(Z1 > 0, Z1, 0)
heat_maps(Z1=Z1, A1=A1)

# %% [markdown]
# From layer 1 to layer 2 it is the same again:
#
# $$Z^{[2]} = W^{[2]} A^{[1]} + b^{[2]} \qquad
# (10 \times m) = (10 \times 10)(10 \times m) + (10 \times 1)$$

# %%
Z2 = W2 @ A1 + b2
heat_maps(Z2=Z2)

# %% [markdown]
# Activate layer 2 with softmax, which turns the ten scores of an image into probabilities:
#
# $$A^{[2]} = \mathrm{softmax}(Z^{[2]}), \qquad
# \mathrm{softmax}(z)_i = \frac{e^{z_i}}{\sum_{j=1}^{k} e^{z_j}}$$
#
# The largest score is subtracted first. That changes nothing, since it cancels, but keeps the
# exponentials from overflowing.


# %%
def softmax(z: Any) -> Any:
    """The softmax of each column."""
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


print("The second note's example:", softmax(np.array([1.3, 5.1, 2.2, 0.7, 1.1])).round(2))
A2 = softmax(Z2)
print("Each column adds up to 1:", np.allclose(A2.sum(axis=0), 1))
heat_maps(A2=A2)

# %% [markdown]
# So now we have made a prediction. But it might be wrong. What do we do? *Apni galti se seekho*:
# learn from your mistakes.
#
# ## (ii) Back propagation
#
# How large is the error, how much did each weight and bias contribute to it? First the labels, as
# one-hot columns: a 1 for the right class, 0 for all others.

# %%
Y = np.eye(10)[labels].T
right = (A2.argmax(axis=0) == labels).mean()
loss = -np.log((A2 * Y).sum(axis=0)).mean()
print(f"Untrained: {right:.0%} are right, and the loss (cross-entropy) is {loss:.3f}")
heat_maps(A2=A2, Y=Y)

# %% [markdown]
# How far is the output from the label?
#
# $$dZ^{[2]} = A^{[2]} - Y$$
#
# This is the derivative of softmax cross-entropy with respect to the scores. The contributions of
# the weights and biases of layer 2:
#
# $$dW^{[2]} = \frac{1}{m} dZ^{[2]} A^{[1]T}, \qquad db^{[2]} = \frac{1}{m} \sum dZ^{[2]}$$
#
# The sum goes over the m images, so that $db^{[2]}$ has one number for each unit, with its sign.
# (The second note calls it the "avg. of absolute error": it is the average of the error itself. The
# notes write 1/m and 1/n for the same factor, the one of the mean over the images.)

# %%
dZ2 = A2 - Y
dW2 = dZ2 @ A1.T / m
db2 = dZ2.sum(axis=1, keepdims=True) / m
heat_maps(dZ2=dZ2, dW2=dW2, db2=db2.T)

# %% [markdown]
# Similarly for layer 1. The error is propagated back through the weights and the activation:
#
# $$dZ^{[1]} = W^{[2]T} dZ^{[2]} * g'(Z^{[1]})$$
#
# Here * is elementwise multiplication, and g' is the derivative of ReLU: 1 where $Z^{[1]} > 0$,
# else 0. (At 0 itself there is none; 0 is the usual choice.)

# %%
slope = (Z1 > 0).astype(float)
dZ1 = (W2.T @ dZ2) * slope
heat_maps(slope=slope, dZ1=dZ1)

# %% [markdown]
# $$dW^{[1]} = \frac{1}{m} dZ^{[1]} X^T, \qquad db^{[1]} = \frac{1}{m} \sum dZ^{[1]}$$
#
# $dW^{[1]}$ is 10 x 784, as $W^{[1]}$ is (the second note says 10 x 10; the first calls the two
# $dw^{(2)}$ and $db^{(2)}$, where layer 1's are meant).

# %%
dW1 = dZ1 @ X.T / m
db1 = dZ1.sum(axis=1, keepdims=True) / m
heat_maps(dW1=dW1, db1=db1.T)

# %% [markdown]
# Are these gradients right? `mt.trace` takes the same step with the package's layers, under the
# notes' names; and `mt.gradcheck` compares the layers' gradients with finite differences.

# %%
step = mt.trace(model, "softmax_cross_entropy", rows, labels, optimizer="sgd(0.1)")
by_hand = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2, "dZ2": dZ2, "dW2": dW2, "db2": db2}
by_hand |= {"dZ1": dZ1, "dW1": dW1, "db1": db1}
for name, array in by_hand.items():
    difference = np.abs(step[name].value - array).max()
    assert difference < 1e-12
    print(f"{name:4} {array.shape!s:10} differs from the package's by at most {difference:.0e}")
print("Finite differences agree:", bool(mt.gradcheck(model, rows[:8], labels[:8])))

# %% [markdown]
# ## (iii) Update the parameters
#
# $$W^{[1]} := W^{[1]} - \alpha\, dW^{[1]} \qquad b^{[1]} := b^{[1]} - \alpha\, db^{[1]}$$
#
# $$W^{[2]} := W^{[2]} - \alpha\, dW^{[2]} \qquad b^{[2]} := b^{[2]} - \alpha\, db^{[2]}$$
#
# $\alpha$ is the learning rate, a hyperparameter: you set it.

# %%
alpha = 0.1
W1, b1 = W1 - alpha * dW1, b1 - alpha * db1
W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
A2 = softmax(W2 @ np.maximum(W1 @ X + b1, 0) + b2)
after = -np.log((A2 * Y).sum(axis=0)).mean()
assert after < loss
print(f"One step took the loss from {loss:.4f} to {after:.4f}")
heat_maps(change_of_W1=-alpha * dW1, change_of_W2=-alpha * dW2)

# %% [markdown]
# ## Repeat all of it
#
# Forward, backward, update, again and again. First by hand, then by a `Trainer` that starts from
# the same weights and takes all m images in each step, as the notes do: the same numbers.

# %%
trainer = mt.Trainer(model, "softmax_cross_entropy", mt.SGD(alpha), seed=0)
history = trainer.fit(rows, labels, epochs=100, batch_size=None)

W1, b1, W2, b2 = first.copy(), np.zeros((10, 1)), second.copy(), np.zeros((10, 1))
for _ in range(100):
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    A2 = softmax(W2 @ A1 + b2)
    dZ2 = A2 - Y
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    W2, b2 = W2 - alpha * dZ2 @ A1.T / m, b2 - alpha * dZ2.mean(axis=1, keepdims=True)
    W1, b1 = W1 - alpha * dZ1 @ X.T / m, b1 - alpha * dZ1.mean(axis=1, keepdims=True)
assert np.allclose(W1, model.state_dict()["0.weight"], rtol=0, atol=1e-10)
history.plot()

# %% [markdown]
# Now on all 10,000 images that come with the package, 64 in each step, and measured on images that
# the network has not seen.

# %%
x, y = digits.train.features(), digits.train.labels
unseen, answers = digits.test.features(), digits.test.labels
model = mt.notes_network("relu", seed=0)
trainer = mt.Trainer(model, "softmax_cross_entropy", "sgd(0.1)", metrics=["accuracy"], seed=0)
trainer.fit(x, y, epochs=10, batch_size=64, validation_data=(unseen, answers)).plot()

# %% [markdown]
# What does each hidden unit respond to? Its 784 weights, as an image:

# %%
mt.plot_weights(model)

# %% [markdown]
# Which digits are confused with which, and which pixels a prediction depends on: the gradient of
# the predicted class's score with respect to the pixels.

# %%
mt.plot_confusion(answers, model.predict_classes(unseen))

# %%
mt.plot_saliency(model, unseen, n=4)

# %% [markdown]
# ## The three options
#
# Here an option "A + B" is Dense, A, Dense, B, and softmax cross-entropy of the outputs. One run of
# each says little; `minitorch-np compare` trains each from twenty seeds and tests which differences
# are significant.

# %%
OPTIONS = (("leaky_relu", "elu"), ("relu", "relu"), ("sigmoid", "sigmoid"), ("relu", None))
for hidden, output in OPTIONS:
    option = mt.notes_network(hidden, output, seed=0)
    trainer = mt.Trainer(option, "softmax_cross_entropy", "sgd(0.1)", metrics=["accuracy"], seed=0)
    trainer.fit(x, y, epochs=5, batch_size=64)
    accuracy = trainer.evaluate(unseen, answers)["accuracy"]
    print(f"{hidden} + {output or 'softmax'}: test accuracy {accuracy:.3f}")
