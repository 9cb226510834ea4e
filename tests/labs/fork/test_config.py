"""What a fork's config takes, and what it says about the rest."""

import pytest

from denoisecli.config.load import Layer, build
from denoisecli.errors import ConfigError
from denoisecli.labs.fork.config import ForkConfig


def built(**values):
    return build(ForkConfig, [Layer(values, source="test")])


@pytest.mark.parametrize(
    ("values", "key", "found"),
    [
        ({}, "forks", tuple(range(0, 20, 2))),
        ({"steps": 3}, "forks", (0, 2)),
        ({"at": 4}, "forks", (4,)),
        ({"at": [9, 3]}, "forks", (3, 9)),
        ({"to": "a castle"}, "to.changed", {"prompt": "a castle"}),
        ({"to": ["cfg=1", "negative_prompt=fog"]}, "to.changed", {"cfg": 1.0, "negative_prompt": "fog"}),
        ({"to": "noise=3"}, "to.changed", {"noise": 3}),
        ({"to": "E = mc²"}, "to.changed", {"prompt": "E = mc²"}),
        ({"to": {"sampler": "DPM++ 2M"}}, "to.changed", {"sampler": "dpmpp_2m"}),
        ({"to": "a castle"}, "prompts", (ForkConfig().prompt, "a castle")),
    ],
)
def test_what_is_taken(values, key, found):
    config = built(**values)
    for part in key.split("."):
        config = getattr(config, part)
    assert config == found


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"at": 20}, "state 20 is the finished picture"),
        ({"at": 21}, "no state 21 in a run of 20 steps"),
        ({"at": -1}, "no state -1"),
        ({"at": [3, 3]}, "state 3 is there twice"),
        ({"at": 0.5}, "0.5 is not a state: at counts states"),
        ({"at": [True]}, "True is not a state"),
        ({"at": []}, "0 states; want 1 to 64"),
        ({"at": "half"}, "'half' is not a state"),
        ({"to": {}}, "to changes nothing"),
        ({"to": {"noise": 1, "cfg": 1}}, "an experiment of its own"),
        ({"to": {"noise": -1}}, "to.noise"),
        ({"to": "cfg=high"}, "to.cfg"),
        ({"to": {"cgf": 1}}, "cgf"),
    ],
)
def test_what_is_refused(values, said):
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        built(**values)
