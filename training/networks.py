from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from training.backpropagation import Lesson, expected_rise, taught
from training.encoding import Encoding
from training.features import Features
from training.network import BLOCK, HALF, HIDDEN, Network, rises
from training.threads import beside_each_other, one_blas_thread

AT_ONCE = 64 * BLOCK


@dataclass(frozen=True)
class QuantileNetworks:
    """An ensemble of networks; their quantiles of the rise above the filtered level are averaged.

    A quantile is a part of its own plus a multiple of what the bin's profile and pace expect: rates are proportions,
    which neither boosters nor plain networks learn well. All quantiles come from one network, so none cross. The
    quantile loss on the level within 0-100 is exact for a censored level (Powell 1986).
    """

    encoding: Encoding
    networks: tuple[Network, ...]

    @classmethod
    def fit(
        cls, lesson: Lesson, steps: int, count: int, threads: int, seed: int, progress: Callable[[str], None]
    ) -> QuantileNetworks:
        """Fit `count` networks, `threads` at a time and each on one thread: the result depends on the seed alone."""
        networks: list[Network] = []

        def teach(k: int) -> Network:
            return taught(lesson, steps, np.random.default_rng([seed, k]))

        for network in beside_each_other(teach, range(count), threads):
            networks.append(network)
            progress(f"network {len(networks)} of {count}, {steps:,} steps")
        return cls(lesson.encoding, tuple(networks))

    def predict(self, features: Features) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features; a row's do not depend on the others."""
        out = np.zeros((len(features.matrix), HALF))
        expected = expected_rise(features)
        for start in range(0, len(out), AT_ONCE):  # bounds the memory in between
            part = slice(start, start + AT_ONCE)
            inputs = self.encoding(features.matrix[part])
            with one_blas_thread():
                for network in self.networks:
                    out[part] += rises(network.outputs(inputs), expected[part])
        return out / max(len(self.networks), 1) + features.level[:, None]

    def arrays(self) -> dict[str, np.ndarray]:
        """As plain arrays, for the artifact."""
        return {f"encoding/{name}": array for name, array in self.encoding.arrays().items()} | {
            f"{k}/{kind}{layer}": array
            for k, network in enumerate(self.networks)
            for kind, parts in (("weight", network.weights), ("bias", network.biases))
            for layer, array in enumerate(parts)
        }

    @classmethod
    def of_arrays(cls, names: tuple[str, ...], arrays: Mapping[str, np.ndarray]) -> QuantileNetworks:
        """From what `arrays` gave; `names` of the features."""
        of_encoding = {key.removeprefix("encoding/"): a for key, a in arrays.items() if key.startswith("encoding/")}
        count = len({key.split("/")[0] for key in arrays} - {"encoding"})
        layers = range(len(HIDDEN) + 1)
        networks = tuple(
            Network(
                tuple(arrays[f"{k}/weight{layer}"] for layer in layers),
                tuple(arrays[f"{k}/bias{layer}"] for layer in layers),
            )
            for k in range(count)
        )
        return cls(Encoding.of_arrays(names, of_encoding), networks)
