"""Gradient and curl parts of a vector field."""
