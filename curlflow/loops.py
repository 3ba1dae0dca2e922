"""Small loops are compiled by XLA as one function, several times as fast on a CPU.

XLA runs a program as a sequence of kernels, and starting one takes 50 ns. A step of the Lorenz system has hundreds,
each over three numbers. Loops whose body touches few bytes, 1,024 unless told otherwise, are compiled whole instead.
Measured (benchmarks/README.md), ever larger limits gain up to `BYTES`, and nothing loses.

No JAX is imported here.
"""

import os

OPTION = "xla_cpu_small_while_loop_byte_threshold"
EXTRA = "--xla_backend_extra_options"
BYTES = 2_000_000


def compile_small_loops_whole() -> None:
    """Tell XLA, which reads `XLA_FLAGS` when it first computes in a process, and not later.

    Whatever extra options of the backend are there already are left as they are.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if EXTRA not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {EXTRA}={OPTION}={BYTES}".strip()
