"""Tasks with a time axis: samples for networks with a memory, as `curlflow.Data`.

Inputs are samples × time × inputs, targets samples × time × outputs. Training and test samples are drawn
independently, from one seed.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from .own_data import Data

Drawn = tuple[Float[np.ndarray, "samples time inputs"], Float[np.ndarray, "samples time outputs"]]


def sine_generation(
    *,
    samples: int = 20,
    test_samples: int = 20,
    steps: int = 50,
    periods: tuple[float, float] = (10.0, 25.0),
    seed: int = 0,
) -> Data:
    """Turn a constant into a sine wave: yₜ = sin(2πt/P) for t = 1, …, T, where the input is xₜ = P_min/P.

    Source: Sussillo & Barak, Neural Computation 25 (2013) 626, where a constant input sets the frequency as well.

    **Arguments:**

    - `samples`, `test_samples`: how many sequences there are.
    - `steps`: T.
    - `periods`: the shortest and the longest period in steps; frequencies are drawn uniformly between them.
    - `seed`: of the frequencies.

    **Raises:** `ValueError` for numbers out of range.
    """
    shortest, longest = periods
    if not 2 <= shortest <= longest:
        raise ValueError(f"periods: got {periods}, allowed are two increasing numbers from 2.")

    def draw(rng: np.random.Generator, number: int) -> Drawn:
        frequency = rng.uniform(1 / longest, 1 / shortest, (number, 1, 1))
        waves = np.sin(2 * np.pi * frequency * np.arange(1, steps + 1)[:, None])
        return np.broadcast_to(shortest * frequency, waves.shape), waves

    return _both(draw, samples, test_samples, steps, seed)


def integration(*, samples: int = 20, test_samples: int = 20, steps: int = 50, seed: int = 0) -> Data:
    """Sum up white noise: yₜ = Σ_{s ≤ t} x_s/√T with independent x_s ~ N(0, 1), so that y_T has variance 1.

    Source: Mante, Sussillo, Shenoy & Newsome, Nature 503 (2013) 78, whose networks integrate one of two inputs.

    **Arguments:**

    - `samples`, `test_samples`: how many sequences there are.
    - `steps`: T.
    - `seed`: of the inputs.

    **Raises:** `ValueError` for numbers out of range.
    """

    def draw(rng: np.random.Generator, number: int) -> Drawn:
        x = rng.normal(size=(number, steps, 1))
        return x, np.cumsum(x, axis=1) / np.sqrt(steps)

    return _both(draw, samples, test_samples, steps, seed)


def delayed_match(
    *,
    samples: int = 20,
    test_samples: int = 20,
    stimuli: int = 2,
    shown: int = 5,
    delay: int = 10,
    response: int = 5,
    seed: int = 0,
) -> Data:
    """Say whether two stimuli that a delay keeps apart are the same: delayed match to sample.

    A sequence shows one of the `stimuli` (its input is 1 for `shown` steps), waits for the delay, shows a second one,
    and ends with the response, in which the target is 1 for a match and −1 otherwise; before it is 0. Half of the
    sequences match, on average.

    Source: Miyashita & Chang, Nature 331 (1988) 68, for the experiment; Yang, Joglekar, Song, Newsome & Wang, Nature
    Neuroscience 22 (2019) 297, for networks that learn it.

    **Arguments:**

    - `samples`, `test_samples`: how many sequences there are.
    - `stimuli`: how many different stimuli there are, each an input.
    - `shown`, `delay`, `response`: the lengths of each stimulus, of the delay and of the response, in steps.
    - `seed`: of the stimuli.

    **Raises:** `ValueError` for numbers out of range.
    """
    steps = 2 * shown + delay + response

    def draw(rng: np.random.Generator, number: int) -> Drawn:
        first, match = rng.integers(stimuli, size=number), rng.integers(2, size=number)
        second = (first + (1 - match) * rng.integers(1, stimuli, size=number)) % stimuli
        x, y = np.zeros((number, steps, stimuli)), np.zeros((number, steps, 1))
        x[np.arange(number), :shown, first] = 1.0
        x[np.arange(number), shown + delay : 2 * shown + delay, second] = 1.0
        y[:, steps - response :, 0] = 2 * match[:, None] - 1
        return x, y

    least = {"stimuli": (stimuli, 2), "shown": (shown, 1), "delay": (delay, 0), "response": (response, 1)}
    for name, (value, lowest) in least.items():
        if value < lowest:
            raise ValueError(f"{name}: got {value}, allowed are whole numbers from {lowest}.")
    return _both(draw, samples, test_samples, steps, seed)


def _both(draw: Callable, samples: int, test_samples: int, steps: int, seed: int) -> Data:
    """Training samples and, from a stream of their own, test samples."""
    for name, value, lowest in (("samples", samples, 1), ("test_samples", test_samples, 0), ("steps", steps, 1)):
        if value < lowest:
            raise ValueError(f"{name}: got {value}, allowed are whole numbers from {lowest}.")
    training, test = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    return Data(*draw(training, samples), *(draw(test, test_samples) if test_samples else ()))
