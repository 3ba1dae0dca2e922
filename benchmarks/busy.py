"""What workers do in the benchmark of engines; they import it, so that it stands by itself."""

import curlflow


def nothing(batch):
    """A batch that costs nothing."""
    return batch


def learn(seed):
    """The training error of one network of figure 4 after 20,000 full-batch updates: a tenth of a second."""
    spec = curlflow.preset("fig4").replace({"realizations": 1, "seed": seed})
    return float(curlflow.simulate(spec, times=[0, 20_000]).train_error[0, -1])
