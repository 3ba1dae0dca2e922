"""Small loops are compiled by XLA as one function, several times as fast on a CPU.

XLA runs a program as a sequence of kernels, and starting one takes about 50 ns. A step of the Lorenz system has
hundreds, each over three numbers. Loops whose body touches few bytes, 1,024 unless told otherwise, are compiled whole
instead. What other limits gain is in docs/performance.md.

No JAX is imported here.
"""

import os

OPTION = "xla_cpu_small_while_loop_byte_threshold"
EXTRA = "--xla_backend_extra_options"
BYTES = 2_000_000


def compile_small_loops_whole() -> None:
    """Tell XLA, which reads `XLA_FLAGS` when it first computes in a process, and not later.

    Nothing is changed where the user has set extra options of the backend.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if EXTRA not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {EXTRA}={OPTION}={BYTES}".strip()
