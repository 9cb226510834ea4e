"""A walk's record, as far as figures read it."""


def record(names=("seed 7", "seed 21", "seed 42"), frames=5, kind="seeds", loop=False, prompt="a calm sea"):
    """A walk's trace.json, as far as figures read it."""
    legs = len(names) - (not loop)
    places = [(leg, k / (frames - 1)) for leg in range(legs) for k in range(frames - 1)]
    places += [] if loop else [(legs - 1, 1.0)]
    values = {"scales": [1.0, 3.0, 9.0], "prompts": ["a calm sea", "a storm", "a harbour"]}.get(kind)
    jumps = [0.1 + 0.02 * k for k in range(len(places))]
    return {
        "config": {"prompt": prompt, "sampler": "ddim", "steps": 4, "cfg": 7.5, "seeds": [7],
                   "between": {kind: values} if values else None},
        "walk": {"kind": kind, "ends": list(names), "loop": loop},
        "schedule": [{"timestep": float(t)} for t in (900, 600, 300, 1, 0)],
        "runs": [{"leg": leg, "share": share, "jump": jump if loop or k < len(places) - 1 else None}
                 for k, ((leg, share), jump) in enumerate(zip(places, jumps, strict=True))],
    }  # fmt: skip
