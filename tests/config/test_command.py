import shlex

import pytest

from denoisecli.config.command import command_of
from denoisecli.config.load import Layer, build, settings
from denoisecli.registry import CONFIGS

CASES = [
    pytest.param("sample", [], "denoisecli sample", id="defaults"),
    pytest.param("sample", ["seeds=[7, 21]", "steps=6"], "denoisecli sample --seed 7 --seed 21 --steps 6", id="flags"),
    pytest.param("sample", ["seeds=1-8"], "denoisecli sample --seed 1-8", id="range"),
    pytest.param("sample", ["prompt=it's a $test"], "denoisecli sample --prompt 'it'\"'\"'s a $test'", id="quotes"),
    pytest.param("sample", ["cfg=3"], "denoisecli sample --cfg 3", id="number"),
    pytest.param("sample", ["size=96x64"], "denoisecli sample --set size=96x64", id="size"),
    pytest.param("sample", ["film.theme=light"], "denoisecli sample --set film.theme=light", id="nested"),
    pytest.param(
        "sample",
        ["loras=[{file: a.safetensors, scale: 0.5}]"],
        """denoisecli sample --set 'loras=[{"file": "a.safetensors", "scale": 0.5}]'""",
        id="list of parts",
    ),
    pytest.param("sample", ["negative_prompt=fog"], "denoisecli sample --set negative_prompt=fog", id="text"),
    pytest.param("noise", ["seed=3", "frames=9"], "denoisecli noise --seed 3 --set frames=9", id="noise"),
    pytest.param("cfg-sweep", ["scales=[1, 3]"], "denoisecli cfg-sweep --set 'scales=[1.0, 3.0]'", id="scales"),
]


@pytest.mark.parametrize(("lab", "pairs", "want"), CASES)
def test_names_what_differs_and_reads_back(lab, pairs, want):
    config = build(CONFIGS[lab], [settings(CONFIGS[lab], pairs)])
    command = command_of(config)
    words = shlex.split(command)[2:]
    assert build(CONFIGS[lab], [read_back(CONFIGS[lab], words)]) == config
    assert command.split()[:2] == want.split()[:2]
    assert set(shlex.split(command)) == set(shlex.split(want))


def read_back(lab, words) -> Layer:
    """Return the settings of the flags and of --set."""
    pairs, seeds = [], []
    for flag, value in zip(words[::2], words[1::2], strict=True):
        if flag == "--set":
            pairs.append(value)
        elif flag == "--seed" and "seeds" in lab.model_fields:
            seeds.append(value)
        else:
            pairs.append(f"{flag.removeprefix('--')}={value}")
    return settings(lab, [*pairs, *([f"seeds=[{', '.join(seeds)}]"] if seeds else [])])


def test_what_was_resolved_is_left_out():
    config = build(CONFIGS["sample"], [settings(CONFIGS["sample"], ["size=64x64", "batch=2"])])
    assert command_of(config, ("size", "batch")) == "denoisecli sample"
