"""Tests of the pocket model's training chain."""
