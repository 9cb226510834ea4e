"""Runs as a deck of slides: PowerPoint or Markdown."""
