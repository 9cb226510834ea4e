"""The noise lab: how a picture drowns in noise, any t in one jump."""
