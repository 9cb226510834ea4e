"""The mathematics of the diffusion process, in NumPy."""
