"""The parameters text obeys A1111's own grammar."""

import json
import re

import pytest

from denoisecli.config.schema import SampleConfig
from denoisecli.interop.a1111 import infotext, quote

# modules/infotext_utils.py of AUTOMATIC1111/stable-diffusion-webui
PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


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
    text = infotext(config, 42, (512, 768), "ab" * 32, config.cfg)
    prompt, negative, values = read(text)
    assert (prompt, negative) == (config.prompt, config.negative_prompt)
    assert values["Seed"] == "42"
    assert values["Size"] == "512x768"
    assert values["CFG scale"] == f"{config.cfg:g}"
    assert values["Model"] == config.model.rsplit("/", 1)[-1]
    assert values["Model hash"] == "ababababab"
    assert values["RNG"] == "CPU"
    assert "Version" not in values  # A1111 would take it for its own and switch old behaviours on


@pytest.mark.parametrize(("value", "text"), [("plain", "plain"), ("a, b", '"a, b"'), ("a: b", '"a: b"'), (7, "7")])
def test_quote(value, text):
    assert quote(value) == text
