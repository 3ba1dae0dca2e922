"""A verdict on one network of 98×122 with all indicators, on one core: as updates and as a flow."""

import time

import curlflow


def test_one_network(benchmark, monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    spec = curlflow.preset("fig3cd").replace({"network.inputs": 98, "rule.flipped.inputs": 0.5, "realizations": 1})
    for name, case in {"updates": spec, "flow": spec.replace("dynamics", {"kind": "flow"})}.items():
        wall, processor = time.perf_counter(), time.process_time()
        ds = curlflow.classify(case)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        verdict = ds.verdict.attrs["flag_meanings"].split()[int(ds.verdict[0])]
        print(f"one 98×122 network, {name}: {wall:.0f} s, {processor:.0f} s of processor, {verdict}")
        benchmark.extra_info[name] = wall
    short = {"transient": 100, "duration": 100}
    benchmark.pedantic(lambda: curlflow.classify(spec, **short), rounds=1)
