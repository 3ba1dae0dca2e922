"""The analyses of fluctuations: published protocols, and files that are small and say what they leave out."""

import numpy as np

import curlflow

SCRIPTS = ("fig3bcd_hidden_layer", "fig4cd_readout_layer")


def test_lines_are_the_published_ones(module):
    fractions, ratios = module(SCRIPTS[0]).LINES
    assert fractions.ratios == (0.3, 0.4, 0.5)
    np.testing.assert_allclose(fractions.fractions, np.arange(25) / 24)
    np.testing.assert_allclose(ratios.ratios, np.linspace(0.1, 0.7, 20))
    assert ratios.fractions == (0.4, 0.5, 0.6)
    spec = curlflow.preset("fig3b")
    assert spec.realizations == 10
    assert (spec.dynamics.kind, spec.dynamics.batch, spec.dynamics.learning_rate) == ("updates", "full", 0.1)
    assert (spec.start.kind, spec.start.offset.layer, spec.start.offset.value) == ("teacher", 2, 1e-10)


def test_windows_are_the_last_999_epochs(module):
    window = module("order_parameters").window
    assert window("full_batch", 100_000) == (99_001, 100_000)
    np.testing.assert_allclose(window("flow", 100_000), (9_900.1, 10_000))


def test_single_weights_are_kept_of_the_first_realization(module, tmp_path):
    spec = curlflow.preset("fig3cd").replace(
        {"network.inputs": 8, "network.hidden": 9, "teacher.width": 9, "realizations": 3, "data.samples": 40}
    )
    whole = curlflow.fluctuations(spec, window=(20, 60), weights=5)
    small = module("order_parameters").smaller(whole)
    for name in ("principal_component", "records", "time_mean", "time_variance"):
        np.testing.assert_array_equal(small[name][0], whole[name][0])
        assert np.isnan(small[name][1:]).all(), name
    for name in ("order_parameter", "autocorrelation", "projection", "explained_variance", "status"):
        np.testing.assert_array_equal(small[name], whole[name])
    assert "first realization" in small.comment
    curlflow.plot.fluctuations(curlflow.load(curlflow.save(small, tmp_path / "a.nc")))
