"""One contender in a process of its own: reads a case, answers with seconds of the processor and exponents."""

import importlib
import json
import sys
import time

import numpy as np


def main(contender: str, module: str) -> None:
    """Answer every line of the standard input, null where it cannot; what is printed goes to the standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    work = importlib.import_module(module).WORK[contender]
    for line in sys.stdin:
        if line.strip() not in work:
            print("null", file=answers, flush=True)
            continue
        start, wall = time.process_time(), time.perf_counter()
        exponents = np.asarray(work[line.strip()](), dtype=float)
        seconds = time.process_time() - start, time.perf_counter() - wall
        found = {"processor": seconds[0], "wall": seconds[1], "exponents": np.sort(exponents)[::-1].tolist()}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
