"""Many runs: `variations` says which, `packing` which go together, an engine makes them, `schedule` keeps the order."""
