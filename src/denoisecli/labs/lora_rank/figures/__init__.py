"""What the LoRA lab draws: pure functions of spectra, matrices and pictures."""
