"""Systems linearised: kernels, symmetries, tangent spaces, the origin."""
