"""Figure 11: figures 5c–f without the norm constraint.

Variables and pictures as of `fig5_convergence_speed.py`. Writes `data/fig11a.nc` … `fig11d.nc`:

    python analyses/fig11_without_constraint.py            (--quick: minutes, in results/; --help: more)
"""

from convergence_figures import four_panels, run

PROTOCOL = "no constraint, minibatches of 10, learning rate 0.1 per epoch, {} epochs, 10 realizations"
PANELS = four_panels("fig11a", "fig11d", "fig11b", "fig11c", PROTOCOL)

if __name__ == "__main__":
    run(__doc__, PANELS)
