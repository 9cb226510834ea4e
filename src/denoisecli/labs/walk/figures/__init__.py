"""What the walk draws: pure functions of a Trace and its pictures."""
