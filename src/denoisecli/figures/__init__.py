"""Pictures of a run: films, strips, contact sheets and curves, drawn with NumPy and Pillow (no torch)."""
