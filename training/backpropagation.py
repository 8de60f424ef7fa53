"""How a network learns: the slopes of the quantile loss, led back through its layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.grid import LEARNED
from training.network import HALF, HIDDEN, MIDDLE, POINTS, Network, rises, sigmoid

EPOCHS = 12
BATCH = 512
FEWEST_STEPS = 600
RATE, WARM_UP = 2e-3, 0.1
DECAY = 0.01
DROPPED, BINS_DROPPED = 0.3, 0.1
FAST, SLOW = 0.9, 0.99  # Adam's memories of the gradient and of its square
ROUNDED = np.float32(1e-3)  # percent
LEVEL = LEARNED.astype(np.float32)


@dataclass(frozen=True)
class Lesson:
    """What networks are taught from: inputs (k, D), the rise (k,), the expected rise (k, 1), how far down and up a
    rise can go (k, 1), all float32 percent but the inputs; bins: how many of the last inputs tell bins apart.
    """  # noqa: D205 - the fields are one sentence

    inputs: np.ndarray
    rise: np.ndarray
    expected: np.ndarray
    down: np.ndarray
    up: np.ndarray
    bins: int


def taught(lesson: Lesson, rng: np.random.Generator) -> Network:
    """One network, by AdamW (Loshchilov and Hutter 2019): its rate rises for a tenth of the steps, then falls.

    Dropout (Srivastava et al. 2014) keeps it from learning the past by heart.
    """
    count = len(lesson.rise)
    batch = min(BATCH, count)
    epochs = max(EPOCHS, -(-FEWEST_STEPS // (count // batch)))
    steps = epochs * (count // batch)
    network = Network.drawn(lesson.inputs.shape[1], rng)
    parameters = [*network.weights, *network.biases]
    fast, slow = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    step = 0
    for _ in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            step += 1
            done = step / steps
            rate = RATE * min(done / WARM_UP, (1 + np.cos(np.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2)
            gradients = _gradient(network, lesson, order[start : start + batch], rng)
            for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                fast[k] += np.float32(1 - FAST) * (gradient - fast[k])
                slow[k] += np.float32(1 - SLOW) * (gradient * gradient - slow[k])
                move = fast[k] / np.float32(1 - FAST**step) / (np.sqrt(slow[k] / np.float32(1 - SLOW**step)) + 1e-8)
                if k < len(network.weights):
                    move = move + np.float32(DECAY) * parameter
                parameter -= np.float32(rate) * move
    return network


def _slopes(outputs: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """(k, 13) slopes of a loss along `outputs`, from those along `quantiles(outputs)`."""
    along = np.empty_like(slope)
    along[:, MIDDLE] = slope.sum(axis=1)
    along[:, MIDDLE + 1 :] = np.cumsum(slope[:, :MIDDLE:-1], axis=1)[:, ::-1]
    along[:, :MIDDLE] = -np.cumsum(slope[:, :MIDDLE], axis=1)
    steep = sigmoid(outputs)
    steep[:, MIDDLE] = 1
    return along * steep


def _loss_slopes(outputs: np.ndarray, lesson: Lesson, rows: np.ndarray) -> np.ndarray:
    """(k, 26) slopes of the mean quantile loss of these rows of the lesson.

    The level is censored: one at the rim, or at nothing, says nothing against a quantile that lies beyond it.
    """
    expected, rise = lesson.expected[rows], lesson.rise[rows]
    risen = rises(outputs, expected)
    full, empty = rise >= lesson.up[rows] - ROUNDED, rise <= lesson.down[rows] + ROUNDED
    beyond = (full & (risen > rise)) | (empty & (risen < rise))
    slope = np.where(rise > risen, -LEVEL, 1 - LEVEL) / np.float32(risen.size)
    slope = np.where(beyond, 0, slope).astype(np.float32)
    return np.concatenate(
        [_slopes(outputs[:, :HALF], POINTS * slope), _slopes(outputs[:, HALF:], expected * slope)], axis=1
    ).astype(np.float32)


def _gradient(
    network: Network, lesson: Lesson, rows: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:  # of weights, then of biases
    """Backpropagation through one batch, with dropout of units and of bins."""
    reached = lesson.inputs[rows]
    if lesson.bins:
        reached[rng.random(len(rows)) < BINS_DROPPED, -lesson.bins :] = 0
    before, steep = [], []
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        before.append(reached)
        reached = reached @ weight + bias
        if layer < len(HIDDEN):
            gate = sigmoid(reached)
            kept = (rng.random(reached.shape, dtype=np.float32) >= DROPPED) / np.float32(1 - DROPPED)
            steep.append(gate * (1 + reached * (1 - gate)) * kept)
            reached = reached * gate * kept
    slope = _loss_slopes(reached, lesson, rows)
    of_weights, of_biases = [], []
    for layer in range(len(HIDDEN), -1, -1):
        of_weights.append(before[layer].T @ slope)
        of_biases.append(slope.sum(axis=0))
        if layer:
            slope = (slope @ network.weights[layer].T) * steep[layer - 1]
    return of_weights[::-1] + of_biases[::-1]
