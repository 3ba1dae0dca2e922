"""How runs move that do not settle: order parameter, autocorrelation, principal components."""
