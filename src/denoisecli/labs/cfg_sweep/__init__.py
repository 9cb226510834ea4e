"""The cfg sweep: one starting noise at several guidance scales."""

from denoisecli.registry import Lab

LAB = Lab(config=".config:CfgSweepConfig", shots=".shots:shots", rows="denoisecli.labs.rows:sampled")
