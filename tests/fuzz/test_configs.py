"""Configs from anybody, as documents, settings, variables and variations: one that can be written, or our own error."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.batch.variations import product
from denoisecli.config.command import command_of
from denoisecli.config.load import Layer, build, environment, field_at, flags, keys_at, lab_named, settings
from denoisecli.config.write import plain_yaml
from denoisecli.config.yaml import Document, read_documents
from denoisecli.errors import ConfigError
from denoisecli.registry import CONFIGS

from .made import NUMBERS, PLAIN, TEXTS, VALUES, WORDS, tables

pytestmark = pytest.mark.slow

LABS = st.sampled_from(sorted(CONFIGS))
TAGS = st.sampled_from(
    ["!!int ", "!!float ", "!!bool ", "!!null ", "!!str ", "!!seq ", "!!map ", "!!set ", "!!omap ", "!!pairs ",
     "!!binary ", "!!timestamp ", "!!python/name:os.system ", "!x ", "&a ", "*a "]
)  # fmt: skip
PIECES = st.sampled_from(
    ["\n", "  ", "- ", ": ", "? ", "[", "]", "{", "}", ", ", "|\n  ", ">-\n  ", "'", '"', "#", "---\n", "...\n",
     "%YAML 1.1\n", "<<: ", "\t", "0o7", "0x_", "1_0", ".inf", "-.inf", ".NaN", "2026-13-45", "1:2:3", "~", "\\ud83d",
     "\\x85", "\\UFFFFFFFF", "\ufeff", "\0"]
)  # fmt: skip
DAMAGE = st.lists(st.tuples(st.floats(0, 1), PIECES | TAGS | TEXTS | WORDS), max_size=3)


def paths():
    """Yield the way to every key of every lab, as one writes it."""
    for lab in CONFIGS.values():
        for key in lab.model_fields:
            yield key
            yield from (f"{key}.{inner}" for inner in keys_at(lab, (key,)))


PATHS = st.sampled_from(sorted(set(paths()))) | TEXTS
KEYS = sorted({key for lab in CONFIGS.values() for key in lab.model_fields})
INNER = sorted({key for path in paths() if "." in path for key in [path.rpartition(".")[2]]})
BLOCKS = VALUES | tables(INNER, most=4) | st.lists(tables(INNER, most=3), max_size=3)


def checked(make):
    """Have a config made; what is accepted can be written down, and comes back as it was."""
    try:
        config = make()
    except ConfigError:
        return
    text = plain_yaml(config)
    [document] = read_documents(text.encode(), "x")
    assert build(type(config), [Layer(document.data, document.where, document.source)]) == config
    command_of(config).encode()
    json.dumps(config.model_dump(mode="json"), allow_nan=False).encode()


def of(document: Document):
    layer = Layer(document.data, document.where, document.source)
    return build(lab_named(layer), [layer])


@given(lab=LABS, values=tables(KEYS, BLOCKS))
def test_values_of_any_kind(lab, values):
    checked(lambda: build(CONFIGS[lab], [Layer({"lab": lab} | values, source="x")]))


@given(lab=LABS, values=tables(KEYS, BLOCKS, most=6), damage=DAMAGE)
def test_documents(lab, values, damage):
    text = json.dumps({"lab": lab} | values)
    text = plain_yaml(build(CONFIGS[lab], [])) if not values else text
    for share, piece in damage:
        at = int(share * len(text))
        text = text[:at] + piece + text[at:]
    documents = []
    with suppress(ConfigError):
        documents = read_documents(text.encode(errors="surrogatepass"), "x")
    for document in documents:
        checked(lambda document=document: of(document))


@given(raw=st.binary(max_size=60) | st.lists(PIECES | TAGS | TEXTS, max_size=12).map("".join).map(
    lambda text: text.encode(errors="surrogatepass")))  # fmt: skip
def test_anything_at_all(raw):
    documents = []
    with suppress(ConfigError):
        documents = read_documents(raw, "x")
    for document in documents:
        checked(lambda document=document: of(document))


def spelt(value):
    """Return a value as somebody types it."""
    with suppress(ValueError):  # of digits without an end
        return value if isinstance(value, str) else json.dumps(value)
    return "9" * 5000


SPELT = VALUES.map(spelt) | st.tuples(TAGS, PLAIN.map(spelt)).map("".join) | st.lists(PIECES, max_size=5).map("".join)


@given(lab=LABS, pairs=st.lists(st.tuples(PATHS, SPELT).map("=".join) | TEXTS, max_size=4))
def test_settings(lab, pairs):
    checked(lambda: build(CONFIGS[lab], [settings(CONFIGS[lab], pairs)]))


@given(lab=LABS, variables=st.dictionaries(PATHS.map(lambda path: path.replace(".", "__").upper()), SPELT, max_size=4))
def test_variables(lab, variables):
    environ = {f"DENOISECLI_{name}": text for name, text in variables.items()}
    checked(lambda: build(CONFIGS[lab], [environment(CONFIGS[lab], environ)]))


@given(lab=LABS, values=tables(KEYS, st.lists(TEXTS, max_size=3) | TEXTS | NUMBERS))
def test_flags(lab, values):
    checked(lambda: build(CONFIGS[lab], [flags(**values)]))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of our own, in which nothing lies that a name may mean."""
    folder = tmp_path_factory.mktemp("configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


VARIED = st.tuples(PATHS, SPELT | st.lists(PLAIN.map(spelt), max_size=3).map(",".join)).map("=".join) | TEXTS


@given(lab=LABS, variations=st.lists(VARIED, min_size=1, max_size=2))
def test_variations(place, lab, variations):
    document = Document({"lab": lab}, {}, "x")
    with suppress(ConfigError):
        found = product(document, [], variations)
        for _, config in found.between(0, 3):
            if not isinstance(config, ConfigError):
                checked(lambda config=config: config)


@given(lab=LABS, way=st.lists(st.sampled_from(INNER) | TEXTS | st.integers(0, 3), max_size=4))
def test_a_key_is_found_or_not(lab, way):
    field_at(CONFIGS[lab], tuple(way))
