"""One contender in a process of its own: reads a case, answers with seconds of the processor, memory, and answers."""

import importlib
import json
import sys
import time

import numpy as np


def memory(what: str) -> float:
    """The memory of this process in MB: `VmRSS` now, from where on `VmHWM` is the most; NaN where Linux is not."""
    try:
        with open("/proc/self/status") as status:
            found = next(line for line in status if line.startswith(what))
        if what == "VmRSS":
            with open("/proc/self/clear_refs", "w") as reset:
                reset.write("5")
    except OSError:
        return float("nan")
    return int(found.split()[1]) / 1024


def main(contender: str, module: str) -> None:
    """Answer every line of the standard input, null where it cannot; what is printed goes to the standard error."""
    output, sys.stdout = sys.stdout, sys.stderr
    work = importlib.import_module(module).WORK[contender]
    for line in sys.stdin:
        if line.strip() not in work:
            print("null", file=output, flush=True)
            continue
        before, start = memory("VmRSS"), time.process_time()
        answers = np.asarray(work[line.strip()](), dtype=float)
        end = time.process_time()
        found = {"processor": end - start, "since_start": end, "peak": memory("VmHWM") - before}
        found["answers"] = np.sort(answers)[::-1].tolist()
        print(json.dumps(found), file=output, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
