"""Run folders on the disk: how one is made, found, and told in a few words."""
