"""The words that a config may name."""

import pytest

from denoisecli.config.load import Layer, build
from denoisecli.errors import ConfigError
from denoisecli.labs.words.config import WordsConfig


def config(**values):
    return build(WordsConfig, [Layer(values, source="test")])


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a lighthouse on a rocky cliff", ["lighthouse", "rocky cliff"]),
        ("a Lighthouse, on a ROCKY cliff!", ["lighthouse", "Rocky Cliff"]),
        ("golden clouds", "cloud"),  # a plural
        ("a cherry on a cake", ["cherries"]),
        ("red cube, blue ball, red roof", ["red"]),
        ("悬崖上的灯塔", ["灯塔"]),
        ("un phare à l’aube", ["phare", "l’aube"]),
    ],
)
def test_words_and_phrases_of_the_prompt_are_found(prompt, words):
    found = config(prompt=prompt, words=words).words
    assert found == ((words,) if isinstance(words, str) else tuple(words))


def test_words_may_be_the_negative_prompts():
    assert config(prompt="a cliff", negative_prompt="a castle", words=["castle"]).words == ("castle",)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"words": ["ligthouse"]}, 'words: "ligthouse" is not in the prompt; did you mean "lighthouse"?'),
        ({"words": ["..."]}, 'words: "..." is no word'),
        ({"words": ["lighthouse, cliff"]}, "is several words; give each by itself: [lighthouse, cliff]"),
        ({"words": [""]}, "words"),
        ({"words": [f"word{number}" for number in range(300)]}, "words: 300 entries are too many (at most 256)"),
        ({"prompt": ""}, "prompt: there is no word in it to follow; give it some, or name concepts"),
        ({"prompt": " ,. "}, "there is no word in it to follow"),
        ({"shown_seed": 5}, "shown_seed: 5 is none of the seeds"),
        ({"pool": []}, "pool"),
        ({"pool": 3}, "3 names no layers"),
        ({"max_map_bytes": 1}, "max_map_bytes"),
    ],
)
def test_what_cannot_be_followed_is_said_before_a_model_is_loaded(values, said):
    with pytest.raises(ConfigError) as error:
        config(**values)
    assert said in str(error.value)


def test_a_hundred_words_of_a_long_prompt_are_fine():
    words = [f"word{number}" for number in range(200)]
    assert len(config(prompt=" ".join(words), words=words).words) == 200


def test_another_word_is_left_to_be_heard_as_a_concept():
    assert config(words=["submarine"]).words == ("submarine",)


def test_one_layer_is_a_list_of_one():
    assert config(pool="mid_block").pool == ("mid_block",)
    assert config().pool == "mean"
