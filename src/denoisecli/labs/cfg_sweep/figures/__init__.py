"""What the sweep draws: pure functions of a Trace."""
