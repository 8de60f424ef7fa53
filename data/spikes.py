import numpy as np

from data.sequences import HOUR_US, MILLI, Sequences

SPIKE_PCT = 12.0
DOUBTFUL_RISE_PCT = 30.0
RETURN_SHARE = 0.4
LONE_WITHIN_H = 12.0


def find_spikes(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Lone spikes and doubtful readings, two (n,) bools.

    A lone spike is more than 12 points above, or below, both neighbours, which agree with each other (they differ by
    at most 40% of the smaller jump) and lie within 12 hours. So a spike is known as one once the next reading is
    heard. Until then, the last reading of a sequence is doubtful where it falls so far below the one before, or
    rises by more than 30 points; a fast bin may well rise by less between two readings.
    """
    fill, measured = sequences.fill, sequences.measured
    near_before = measured - sequences.lag(measured, 1, -(1 << 62)) < LONE_WITHIN_H * HOUR_US
    near_after = sequences.lag(measured, -1, 1 << 62) - measured < LONE_WITHIN_H * HOUR_US
    up_from = fill - sequences.lag(fill, 1, 0)
    down_to = fill - sequences.lag(fill, -1, 0)
    far = SPIKE_PCT * MILLI
    smaller = np.minimum(np.abs(up_from), np.abs(down_to))
    lone = (smaller > far) & (np.sign(up_from) == np.sign(down_to))
    spikes = near_before & near_after & lone & (np.abs(up_from - down_to) <= RETURN_SHARE * smaller)
    # After a spike its neighbour's own jump back looks doubtful, but is the return itself.
    after_spike = sequences.lag(spikes, 1, False)
    too_far = (up_from < -far) | (up_from > DOUBTFUL_RISE_PCT * MILLI)
    doubtful = sequences.is_last & near_before & ~after_spike & too_far
    return spikes, doubtful
