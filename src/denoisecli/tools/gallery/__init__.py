"""One page of many runs."""
