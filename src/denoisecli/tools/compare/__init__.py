"""Two runs, state by state: numbers, film, sheet."""
