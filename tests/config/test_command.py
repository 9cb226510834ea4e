import shlex

import pytest

from denoisecli.config.command import FLAGS, command_of
from denoisecli.config.load import Layer, build, flags, settings
from denoisecli.config.yaml import read_value
from denoisecli.registry import CONFIGS

CASES = [
    pytest.param("sample", [], "denoisecli sample", id="defaults"),
    pytest.param("sample", ["seeds=[7, 21]", "steps=6"], "denoisecli sample --seed 7 --seed 21 --steps 6", id="flags"),
    pytest.param("sample", ["seeds=1-8"], "denoisecli sample --seed 1-8", id="range"),
    pytest.param("sample", ["prompt=it's a $test"], "denoisecli sample --prompt 'it'\"'\"'s a $test'", id="quotes"),
    pytest.param("sample", ["cfg=3"], "denoisecli sample --cfg 3", id="number"),
    pytest.param("sample", ["size=96x64"], "denoisecli sample --set size=96x64", id="size"),
    pytest.param("sample", ["film.theme=light"], "denoisecli sample --theme light", id="theme"),
    pytest.param("sample", ["film.fps=5"], "denoisecli sample --set film.fps=5", id="nested"),
    pytest.param("sample", ["sampler=euler"], "denoisecli sample --sampler euler", id="sampler"),
    pytest.param("sample", ["cfg=7.1234567"], "denoisecli sample --cfg 7.1234567", id="all digits"),
    pytest.param(
        "words",
        ["words=[golden clouds]", "concepts=[sky, boat]"],
        "denoisecli words --word 'golden clouds' --concept sky --concept boat",
        id="lists of words",
    ),
    pytest.param("fork", ["to.prompt=null", "to.cfg=1"], "denoisecli fork --to cfg=1", id="to a number"),
    pytest.param(
        "fork",
        ["to.prompt=a mill", "to.cfg=1", "at=[2, 4]"],
        "denoisecli fork --at 2 --at 4 --to 'a mill' --to cfg=1",
        id="to words",
    ),
    pytest.param("fork", ["to.prompt=cfg=1"], "denoisecli fork --to prompt=cfg=1", id="to words like a key"),
    pytest.param("fork", ["to.prompt=' a mill'"], "denoisecli fork --to ' a mill'", id="to words with spaces"),
    pytest.param(
        "fork",
        ["to.prompt=null", "to.loras=[{file: a.safetensors}]"],
        "denoisecli fork --set to.prompt=null --set "
        """'to.loras=[{"file": "a.safetensors", "scale": 1.0}]'""",
        id="to LoRAs",
    ),
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
    assert build(CONFIGS[lab], read_back(CONFIGS[lab], words)) == config
    assert command.split()[:2] == want.split()[:2]
    assert set(shlex.split(command)) == set(shlex.split(want))


def read_back(lab, words) -> list[Layer]:
    """Return the settings as the command line reads them."""
    given, pairs = {}, []
    names = {flag: key for key, flag in FLAGS.items() if key.partition(".")[0] in lab.model_fields}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        if flag == "--set":
            pairs.append(value)
        else:
            given.setdefault(names[flag].replace(".", "__"), []).append(value)
    lists = ("seeds", "at", "to", "words", "concepts")
    read = {key: [int(one) if key == "at" else one for one in values] if key in lists else read_value(values[0], key)
            for key, values in given.items()}  # fmt: skip
    return [flags(**read), settings(lab, pairs)]


def test_what_was_resolved_is_left_out():
    config = build(CONFIGS["sample"], [settings(CONFIGS["sample"], ["size=64x64", "batch=2"])])
    assert command_of(config, ("size", "batch")) == "denoisecli sample"
