"""How a network learns: the slopes of the quantile loss, led back through its layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.encoding import Encoding
from training.examples import Examples
from training.features import Features
from training.grid import LEARNED
from training.network import HALF, HIDDEN, MIDDLE, POINTS, Network, rises, sigmoid

BATCH = 512
RATE, WARM_UP = 2e-3, 0.1
DECAY = 0.01
BINS_DROPPED = 0.1
FAST, SLOW = 0.9, 0.99  # Adam's memories of the gradient and of its square
ROUNDED = np.float32(1e-3)  # percent
LEVEL = LEARNED.astype(np.float32)


@dataclass(frozen=True)
class Lesson:
    """What networks are taught from: inputs (k, D) as `encoding` makes them, the rise (k, 1), the expected rise (k, 1),
    how far down and up a rise can go (k, 1), all float32 percent; dropout: the share of units left out at each step.
    """  # noqa: D205 - the fields are one sentence

    encoding: Encoding
    inputs: np.ndarray
    rise: np.ndarray
    expected: np.ndarray
    down: np.ndarray
    up: np.ndarray
    dropout: float

    @classmethod
    def of(cls, examples: Examples, dropout: float) -> Lesson:
        """The examples as networks read them."""
        features = examples.features
        encoding = Encoding.learn(features.names, features.matrix)
        level = features.level.astype(np.float32)[:, None]
        return cls(
            encoding, encoding(features.matrix), examples.rise.astype(np.float32)[:, None], expected_rise(features),
            -level, 100 - level, dropout,
        )  # fmt: skip


def taught(lesson: Lesson, steps: int, rng: np.random.Generator) -> Network:
    """One network after so many steps of AdamW (Loshchilov and Hutter 2019); the rate rises for a tenth, then falls.

    Dropout (Srivastava et al. 2014) keeps it from learning the past by heart.
    """
    count = len(lesson.rise)
    batch = min(BATCH, count)
    network = Network.drawn(lesson.inputs.shape[1], rng)
    parameters = [*network.weights, *network.biases]
    fast, slow = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    order = np.zeros(0, dtype=int)
    for step in range(1, steps + 1):
        if len(order) < batch:
            order = rng.permutation(count)
        rows, order = order[:batch], order[batch:]
        done = step / steps
        rate = RATE * min(done / WARM_UP, (1 + np.cos(np.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2)
        gradients = _gradient(network, lesson, rows, rng)
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
    if lesson.encoding.bins:
        reached[rng.random(len(rows)) < BINS_DROPPED, -lesson.encoding.bins :] = 0
    before, steep = [], []
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        before.append(reached)
        reached = reached @ weight + bias
        if layer < len(HIDDEN):
            gate = sigmoid(reached)
            kept = (rng.random(reached.shape, dtype=np.float32) >= lesson.dropout) / np.float32(1 - lesson.dropout)
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


def expected_rise(features: Features) -> np.ndarray:
    """(k, 1) percent that the profile and the recent pace expect by then, at most 100."""
    return np.clip(np.nan_to_num(features.column("expected_pace_pct")), 0, 100).astype(np.float32)[:, None]
