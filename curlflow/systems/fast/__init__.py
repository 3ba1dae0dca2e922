"""Exact fast paths of learning, each tested against the plain path."""
