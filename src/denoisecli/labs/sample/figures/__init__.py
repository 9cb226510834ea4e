"""What the deck draws: pure functions of a Trace and its pictures."""
