"""Timing several ways of doing one thing in turn, A B C A B C …, so that a machine whose speed drifts stays fair."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(cases: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, list[float]]:
    """Seconds of every round of every case, after one round that does not count."""
    seconds = {name: [] for name in cases}
    for round_ in range(rounds + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report(title: str, seconds: Mapping[str, list[float]], per: float, unit: str) -> dict[str, float]:
    """Print median and minimum per unit of work, and the median ratio to the last case, round by round."""
    last = list(seconds)[-1]
    print(f"\n{title}")
    medians = {}
    for name, values in seconds.items():
        medians[name] = statistics.median(values) * per
        ratio = statistics.median(a / b for a, b in zip(values, seconds[last], strict=True))
        print(f"  {name:42s} {medians[name]:10.3f} {unit} (least {min(values) * per:.3f}), {ratio:7.2f} × {last}")
    return medians
