"""The parameters text obeys A1111's own grammar."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.interop.a1111.write import escaped, infotext, quote, unescaped
from denoisecli.labs.sample.config import SampleConfig
from tests.interop.made import recipe_for

# modules/infotext_utils.py of AUTOMATIC1111/stable-diffusion-webui
PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
# modules/prompt_parser.py: what opens or closes emphasis, unless a backslash stands before it
BRACKETS = re.compile(r"\\[\\()\[\]]|([()\[\]])")


def read(text):
    """Split as A1111 does: the last line holds the parameters, a line that starts so begins the negative prompt."""
    *lines, last = text.strip().split("\n")
    prompt, negative, found = [], [], False
    for line in lines:
        if line.startswith("Negative prompt:"):
            found, line = True, line.removeprefix("Negative prompt:").strip()
        (negative if found else prompt).append(line)
    values = {key: json.loads(value) if value[:1] == '"' else value for key, value in PARAMETER.findall(last)}
    return "\n".join(prompt), "\n".join(negative), values


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(SampleConfig(), id="default"),
        pytest.param(SampleConfig(negative_prompt="blurry, text"), id="negative"),
        pytest.param(SampleConfig(sampler="dpmpp_2m_karras", cfg=0, prompt="a\nb"), id="karras, cfg 0"),
        pytest.param(SampleConfig(model="some/where, a: b"), id="model name with marks"),
        pytest.param(SampleConfig(prompt="猫 in the snow"), id="not latin"),
    ],
)
def test_a1111_reads_what_we_write(config):
    made = recipe_for(config, seeds=[42], size=(512, 768))
    prompt, negative, values = read(infotext(made, made.shots[0]))
    assert (prompt, negative) == (config.prompt, config.negative_prompt)
    assert values["Seed"] == "42"
    assert values["Size"] == "512x768"
    assert values["CFG scale"] == f"{config.cfg:g}"
    assert values["Model"] == config.model.rsplit("/", 1)[-1]
    assert values["Model hash"] == "ababababab"
    assert values["RNG"] == "CPU"
    assert "Version" not in values  # A1111 would take it for its own and switch old behaviours on


@pytest.mark.parametrize(
    ("sampler", "spacing", "name", "schedule"),
    [
        ("euler", "linspace", "Euler", "Uniform"),
        ("euler", "leading", "Euler", "DDIM"),
        ("euler", "trailing", "Euler", "Simple"),
        ("euler_karras", "leading", "Euler", "Karras"),
        ("dpmpp_2m", "linspace", "DPM++ 2M", "Uniform"),  # "Automatic" would be Karras there
        ("ddim", "leading", "DDIM", "Automatic"),
        ("deis", "leading", "DEIS", None),
    ],
)
def test_sampler_and_schedule(sampler, spacing, name, schedule):
    made = recipe_for(SampleConfig(sampler=sampler, spacing=spacing))
    values = read(infotext(made, made.shots[0]))[2]
    assert (values["Sampler"], values.get("Schedule type")) == (name, schedule)


def test_loras_are_tags_by_file_name():
    loras = [{"file": "C:\\x\\ink.safetensors", "scale": 0.5}, {"file": "/y/a,b>.safetensors"}]
    made = recipe_for(SampleConfig(prompt="a cat", loras=loras))
    assert read(infotext(made, made.shots[0]))[0] == "a cat <lora:ink:0.5> <lora:ab:1>"


@given(st.text())
def test_brackets_are_plain_text_in_a1111_and_come_back(prompt):
    assert not any(match[1] for match in BRACKETS.finditer(escaped(prompt)))
    assert unescaped(escaped(prompt)) == prompt


@pytest.mark.parametrize(("value", "text"), [("plain", "plain"), ("a, b", '"a, b"'), ("a: b", '"a: b"'), (7, "7")])
def test_quote(value, text):
    assert quote(value) == text
