"""Small run folders made by hand, for what only reads them: a record, a film of flat frames, a config."""

import json
from pathlib import Path

import numpy as np

from denoisecli.config.load import load_configs, settings
from denoisecli.config.write import plain_yaml
from denoisecli.media.video import write_video
from denoisecli.registry import CONFIGS

LAB_KEYS = {"lora-rank": ["lora=some/style.safetensors", "ranks=[1,4]"]}
MORE = {
    "sample": {"runs": [{"seed": 7, "cfg": 7.5, "committed_at": {"layout": 1, "detail": 2}}]},
    "cfg-sweep": {"scales": [{"cfg": 1.0, "label": "1"}, {"cfg": 7.5, "label": "7.5"}]},
    "walk": {"walk": {"ends": ["seed 7", "seed 21"]}, "runs": [{"frame": 0}, {"frame": 1}]},
    "lora-rank": {"lora": {"file": "style.safetensors", "layers": 3}},
    "noise": {},
}


def hand_made_run(folder: Path, lab="sample", *pairs, size=(320, 180), film=True, **record):
    """Write a run of `lab` with the settings `pairs`; `record` goes into trace.json."""
    folder.mkdir(parents=True)
    config = load_configs(CONFIGS[lab], [], [settings(CONFIGS[lab], [*LAB_KEYS.get(lab, []), *pairs])])[0]
    (folder / "config.yaml").write_text(plain_yaml(config), encoding="utf-8")
    body = {
        "schema": "denoisecli/trace/1", "lab": lab, "version": "0.1.0", "created": "2026-01-02T03:04:05+00:00",
        "command": f"denoisecli {lab}", "config": json.loads(config.model_dump_json()), "environment": None,
        "model": None, "schedule": [], "runs": [], "timings": {"load": 1.25}, "artifacts": [], "hash": "0a1b2c3d",
    } | MORE[lab] | record  # fmt: skip
    (folder / "trace.json").write_text(json.dumps(body), encoding="utf-8")
    if film:
        write_video(flat_frames(size), folder / "film.mp4", 10)
    return folder


def flat_frames(size, count=10):
    """Yield frames from black to white, a tenth of a second each: which is which can be told from its grey."""
    for index in range(count):
        yield np.full((size[1], size[0], 3), round(255 * index / (count - 1)), np.uint8), 1
