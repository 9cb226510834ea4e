"""Configs written are read back equal; the files in configs/ are what the commands use."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.config.load import Layer, build, load_any
from denoisecli.config.write import commented_yaml, plain_yaml
from denoisecli.config.yaml import read_documents
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.registry import CONFIGS

FILES = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("lab", CONFIGS)
def test_file_in_configs_is_the_built_in_default(lab):
    path = FILES / f"{lab}.yaml"
    assert path.read_text(encoding="utf-8") == commented_yaml(CONFIGS[lab]), f"denoisecli config init {lab} > {path}"
    assert load_any([str(path)]) == [CONFIGS[lab].model_validate({})]


@pytest.mark.parametrize("lab", CONFIGS)
def test_every_key_is_described(lab):
    def check(model):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            if hasattr(field.annotation, "model_fields"):
                check(field.annotation)

    check(CONFIGS[lab])


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)


SEEDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5, unique=True)


@given(prompt=TEXT, seeds=SEEDS, cfg=st.floats(0, 100))
def test_round_trip(prompt, seeds, cfg):
    config = SampleConfig(prompt=prompt, seeds=seeds, cfg=cfg)
    document = read_documents(plain_yaml(config).encode(), "config.yaml")[0]
    assert build(SampleConfig, [Layer(document.data)]) == config
