"""A small neural network that gives all quantiles at once: smooth where boosters step, and right about proportions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.grid import LEARNED

HIDDEN = (128, 128)
POINTS = 10.0  # of rise, in which the outputs count
BLOCK = 64  # rows multiplied at a time: always as many, so that a row's answer hangs on no other row
HALF = len(LEARNED)
MIDDLE = HALF // 2


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron with SiLU units; its 2 x 13 outputs are two sets of quantiles, `rises`.

    weights: of each layer (in, out) float32; biases: (out,)
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @classmethod
    def drawn(cls, inputs: int, rng: np.random.Generator) -> Network:
        """At random (He et al. 2015), beginning at a rise of a point and 0.7 of the expected, hardly spread."""
        sizes = (inputs, *HIDDEN, 2 * HALF)
        weights = [(rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32) for a, b in pairwise(sizes)]
        weights[-1] *= np.float32(0.1)
        biases = [np.zeros(size, dtype=np.float32) for size in sizes[1:]]
        biases[-1][:HALF], biases[-1][HALF:] = -2.0, -1.5
        biases[-1][MIDDLE], biases[-1][HALF + MIDDLE] = 0.1, 0.7
        return cls(tuple(weights), tuple(biases))

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """(k, 26) for inputs (k, D), the same for a row whatever the others are."""
        blocks = -(-len(inputs) // BLOCK)
        rows = np.zeros((blocks * BLOCK, inputs.shape[1]), dtype=np.float32)
        rows[: len(inputs)] = inputs
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # Some processors' kernels add up a row by where it stands in its block: what double precision makes of that
            # is lost in rounding.
            exact = rows.astype(np.float64).reshape(blocks, BLOCK, -1) @ weight.astype(np.float64)
            rows = exact.reshape(blocks * BLOCK, -1).astype(np.float32) + bias
            if layer < len(HIDDEN):
                rows = rows * sigmoid(rows)
        return rows[: len(inputs)]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function; what is far out is far enough."""
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def quantiles(outputs: np.ndarray) -> np.ndarray:
    """(k, 13) rising: the middle output, and beside it steps outward, each a softplus of an output."""
    steps = np.logaddexp(np.float32(0), outputs)
    middle = outputs[:, MIDDLE : MIDDLE + 1]
    above = np.cumsum(steps[:, MIDDLE + 1 :], axis=1)
    below = np.cumsum(steps[:, MIDDLE - 1 :: -1], axis=1)[:, ::-1]
    return np.concatenate([middle - below, middle, middle + above], axis=1)


def rises(outputs: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(k, 13) percent from the outputs (k, 26) and the expected rise (k, 1)."""
    return np.float32(POINTS) * quantiles(outputs[:, :HALF]) + expected * quantiles(outputs[:, HALF:])
