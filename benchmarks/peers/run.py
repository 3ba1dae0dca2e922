"""curlflow beside its peers: equal answers first, then A B A B …, in processes of their own, on one core.

    make bench-peers

Seconds are those of the processor, the median of the rounds behind a first one, which is told apart as `first`: it
traces and compiles. Writes `data/benchmarks.nc`, the tables of `docs/performance.md` and its picture. A contender
that cannot do a case is no row; why is in `docs/performance.md`.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import problems
import xarray as xr

import curlflow

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CONTENDERS = {
    "curlflow": "by_curlflow",
    "curlflow, rtol 1e-4": "by_curlflow",
    "curlflow, fixed steps": "by_curlflow",
    "curlflow, tsit5": "by_curlflow",
    "lyapax, one jit": "by_lyapax",
    "lyapax": "by_lyapax",
    "pynamicalsys": "by_pynamicalsys",
    "chaotax": "by_chaotax",
    "JiTCODE": "by_jitcode",
    "numba by hand": "by_numba",
    "NumPy, SciPy by hand": "by_hand",
    "diffrax by hand": "by_hand",
}
MEASURED = "curlflow", "curlflow, tsit5", "lyapax, one jit"
"""Whose memory is measured."""
MARK = "<!-- made by benchmarks/peers/run.py -->"


class Contender:
    """A process that works off cases, one after the other."""

    def __init__(self, name: str):
        self.name = name
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, HERE / "work.py", name, CONTENDERS[name]]
        self.process = subprocess.Popen(
            pinned(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE
        )

    def work(self, case: str) -> dict | None:
        """What it found, or None where it cannot, or ended instead."""
        try:
            print(case, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def end(self) -> None:
        """No further cases."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def pinned(command: list) -> list:
    """The command on one core, where that can be had."""
    if not hasattr(os, "sched_getaffinity"):
        return command
    core = str(max(os.sched_getaffinity(0)))
    return ["taskset", "-c", core, *command]


def agrees(case: str, answers: list[float], reference: list[float]) -> bool:
    """Whether an answer is that of the case, or where none is known that of the reference."""
    known, within = problems.CASES[case].known, problems.CASES[case].within
    expected = np.array(known or reference)
    given = np.array(answers[: len(expected)])
    scale = 1.0 if known else np.abs(expected).max()
    return bool(np.all(np.abs(given - expected) <= within * scale))


def one_call(contenders: dict[str, Contender], name: str, case: str) -> dict | None:
    """What a contender found in a case; of a fresh process all seconds since its start."""
    if not problems.CASES[case].fresh:
        return contenders[name].work(case)
    contender = Contender(name)
    found = contender.work("lorenz63")
    contender.end()
    return found and found | {"processor": found["since_start"]}


def measured(cases: list[str], rounds: int) -> xr.Dataset:
    """Seconds, memory and answers of every contender in every case."""
    names = list(CONTENDERS)
    shape = len(cases), len(names)
    seconds, first, peak = np.full((*shape, rounds), np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    same, answers = np.zeros(shape, dtype=bool), np.full((*shape, 20), np.nan)
    contenders = {name: Contender(name) for name in names}
    for i, case in enumerate(cases):
        running = list(names)
        for turn in range(rounds + 1):
            for name in list(running):
                found = one_call(contenders, name, case)
                if found is None:
                    running.remove(name)
                    continue
                j = names.index(name)
                if turn:
                    seconds[i, j, turn - 1] = found["processor"]
                    continue
                first[i, j] = found["processor"]
                answers[i, j, : len(found["answers"])] = found["answers"][:20]
        sharp = "curlflow, tsit5" if "curlflow, tsit5" in running else "curlflow"
        for name in running:
            j = names.index(name)
            number = int(np.isfinite(answers[i, j]).sum())
            same[i, j] = agrees(case, answers[i, j].tolist(), answers[i, names.index(sharp), :number].tolist())
        report(case, names, seconds[i], first[i], same[i])
    for contender in contenders.values():
        contender.end()
    for i, case in enumerate(cases):
        for name in MEASURED if case in problems.LARGE else ():
            contender = Contender(name)
            peak[i, names.index(name)] = contender.work(case)["peak"]
            contender.end()
    two, mb = ("case", "contender"), {"long_name": "most memory in the first call above that before", "units": "MB"}
    processor = "processor time of"
    dataset = xr.Dataset(
        {
            "seconds": ((*two, "round"), seconds, {"long_name": f"{processor} a call", "units": "s"}),
            "first": (two, first, {"long_name": f"{processor} the first call", "units": "s"}),
            "peak": (two, peak, mb),
            "agrees": (two, same.astype("int8"), {"long_name": "whether the answer is right"}),
            "answers": ((*two, "answer"), answers, {"long_name": "Lyapunov exponents, or what else was asked for"}),
        },
        coords={"case": cases, "contender": names},
        attrs={"title": "curlflow benchmarks", "machine": machine(), "curlflow_version": curlflow.__version__},
    )
    dataset.case.attrs["title"] = "; ".join(problems.CASES[case].title for case in cases)
    return dataset


def machine() -> str:
    """The processor, in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    return f"one core of {model}"


def report(case, names, seconds, first, same) -> None:
    """One case, to read while the next one runs."""
    print(f"\n{problems.CASES[case].title}")
    own = np.median(seconds[names.index("curlflow")])
    for name, values, cold, right in zip(names, seconds, first, same, strict=True):
        if np.isfinite(cold):
            middle = np.median(values)
            text = "" if right else "   another answer"
            print(f"  {name:24s} {middle * 1e3:10.1f} ms  first {cold:6.2f} s  {middle / own:7.2f} × curlflow{text}")
    sys.stdout.flush()


def table(dataset: xr.Dataset) -> str:
    """Markdown: a row per case, milliseconds of curlflow, and how many times as long the others take."""
    names = [
        name for name in dataset.contender.values if bool(np.isfinite(dataset["first"].sel(contender=name)).any())
    ]
    lines = ["| case | curlflow, ms | " + " | ".join(names[1:]) + " |", "| --- " * (len(names) + 1) + "|"]
    middle = dataset.seconds.median("round")
    for case in dataset.case.values:
        row = middle.sel(case=case)
        own = float(row.sel(contender="curlflow"))
        cells = []
        for name in names[1:]:
            ratio = float(row.sel(contender=name)) / own
            wrong = not bool(dataset.agrees.sel(case=case, contender=name))
            cells.append("–" if np.isnan(ratio) else f"{ratio:.2g}" + (" (another answer)" if wrong else ""))
        lines.append(f"| {problems.CASES[case].title} | {own * 1e3:.3g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def memory_table(dataset: xr.Dataset) -> str:
    """Markdown: megabytes that first calls need for networks in fresh processes, and those of their tangents."""
    lines = ["| case | tangents | " + " | ".join(MEASURED) + " |", "| --- " * (len(MEASURED) + 2) + "|"]
    for case, (weights, k) in problems.LARGE.items():
        needed = " | ".join(f"{float(dataset.peak.sel(case=case, contender=name)):.0f}" for name in MEASURED)
        lines.append(f"| {problems.CASES[case].title} | {8e-6 * weights * k:.2g} | {needed} |")
    return "\n".join(lines)


def picture(dataset: xr.Dataset, path: Path) -> None:
    """How many times as long as curlflow every contender takes."""
    middle = dataset.seconds.median("round")
    ratios = middle / middle.sel(contender="curlflow")
    figure, axes = plt.subplots(figsize=(10, 0.32 * dataset.sizes["case"] + 1.2), layout="constrained")
    height = np.arange(dataset.sizes["case"])[::-1]
    for number, name in enumerate(n for n in dataset.contender.values if n != "curlflow"):
        axes.plot(
            ratios.sel(contender=name), height, "osv^D<>pPX*"[number % 11], label=name, markersize=5, clip_on=False
        )
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(height, [problems.CASES[case].title for case in dataset.case.values])
    axes.set_xlabel("processor time over that of curlflow")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=150)


def write(dataset: xr.Dataset) -> None:
    """The dataset, the picture, and the table between its marks in the page."""
    curlflow.save(dataset, ROOT / "data/benchmarks.nc")
    picture(dataset, ROOT / "docs/figures/benchmarks.png")
    page = ROOT / "docs/performance.md"
    before, _, between, _, after = page.read_text().split(MARK)
    made = f"{MARK}\n\n{table(dataset)}\n\n{MARK}", f"{MARK}\n\n{memory_table(dataset)}\n\n{MARK}"
    page.write_text(f"{before}{made[0]}{between}{made[1]}{after}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(problems.CASES))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    result = measured(given.cases, given.rounds)
    if set(given.cases) == set(problems.CASES):
        write(result)
    else:
        print("\n" + table(result))
