"""InvokeAI's metadata: read."""
