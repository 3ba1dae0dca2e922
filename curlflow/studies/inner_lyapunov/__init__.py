"""Lyapunov exponents of a recurrent network's own dynamics while it learns."""
