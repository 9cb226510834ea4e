"""What the noise lab draws: pure functions of a Trace."""
