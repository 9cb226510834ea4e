"""Everything that touches torch, diffusers and transformers: models, sampling under the recorder, decoding.

Start with `models` (a reference becomes a loaded pipeline), `batch` (one batch through it) and `recorder` (the taps).
"""
