"""The deck: every state of a run, in three views, for several seeds."""
