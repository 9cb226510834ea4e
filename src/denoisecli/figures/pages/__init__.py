"""What the page of each lab shows: pure functions of a Trace that return a Body."""
