"""Eigenvalues at a point of weight space, and whether a rule stays there."""
