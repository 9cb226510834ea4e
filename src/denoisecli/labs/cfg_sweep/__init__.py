"""The cfg sweep: one starting noise at several guidance scales."""
