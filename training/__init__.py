"""Everything that makes the pocket model: scenes, autoencoder, denoiser, LoRAs, evaluation, export."""
