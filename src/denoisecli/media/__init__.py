"""Frames and pictures to bytes, and back: films, PNGs, pages. Knows nothing about diffusion."""
