"""The walk: from seed to seed, every frame its own full run."""
