"""Every wrong config gives one sentence with file, line and key; every right one gives the values written."""

import io
import sys

import pytest

from denoisecli.config.base import Lora
from denoisecli.config.load import Layer, build, environment, flags, load_any, load_configs, settings, unknown_variables
from denoisecli.config.yaml import read_documents
from denoisecli.errors import ConfigError
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.safe_text import safe


def read(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return load_configs(SampleConfig, [str(path)])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("smapler: ddim", 1, 'smapler: unknown key; did you mean "sampler"?', id="unknown key"),
        pytest.param(
            "film:\n  sise: [2, 2]", 2, 'film.sise: unknown key; did you mean "size"?', id="unknown nested key"
        ),
        pytest.param(
            "prompt: a\nstart: {strength: 0.5}", 2, "start.image: is missing: it has no default", id="no image"
        ),
        pytest.param("prompt: a\nsteps: 0", 2, "steps: 0 is out of range (want 1 to 1000)", id="no steps"),
        pytest.param("steps: -1", 1, "steps: -1 is out of range", id="negative steps"),
        pytest.param("steps: 100000", 1, "steps: 100000 is out of range", id="too many steps"),
        pytest.param("steps: 20.5", 1, "steps: 20.5 is not a whole number", id="half a step"),
        pytest.param("steps: true", 1, "steps: True is not a whole number", id="bool for int"),
        pytest.param("steps: '20'", 1, "steps: '20' is not a whole number", id="text for int"),
        pytest.param("cfg: .nan", 1, "cfg: nan is not a finite number", id="nan"),
        pytest.param("film: {formats: gif}", 1, "film.formats: 'gif' is not a list (want [gif])", id="one for a list"),
        pytest.param("cfg: .inf", 1, "cfg: inf is not a finite number", id="inf"),
        pytest.param("cfg: high", 1, "cfg: 'high' is not a number", id="word for number"),
        pytest.param("cfg: -1", 1, "cfg: -1 is out of range (want 0 to 100)", id="negative cfg"),
        pytest.param(
            "start: {image: a.png, strength: 0}", 1, "0 is out of range (want more than 0, at most 1)", id="no strength"
        ),
        pytest.param("phases: [{until: 1.4}]", 1, "1.4 is out of range (want at most 1)", id="a bound above alone"),
        pytest.param("cfg: 1e6", 1, "out of range (want 0 to 100)", id="cfg of a million"),
        pytest.param("size: 100", 1, "size: 100 is not a multiple of 8; the nearest is 104", id="size not of 8"),
        pytest.param("size: 100000", 1, "size: 100000 px is out of range", id="enormous size"),
        pytest.param("size: big", 1, "size: 'big' is not a size", id="word for size"),
        pytest.param("seeds: []", 1, "seeds: no seeds", id="no seeds"),
        pytest.param("seeds: [7, 7]", 1, "seeds: seed 7 is there twice", id="duplicate seeds"),
        pytest.param("seeds: [7, x]", 1, 'seeds: "x" is not a seed', id="word for seed"),
        pytest.param("seeds: 18446744073709551616", 1, "out of range (want 0 to 2^64 - 1)", id="seed of 2^64"),
        pytest.param("seeds: -1", 1, "seeds: seed -1 is out of range", id="negative seed"),
        pytest.param("seeds: 0-99999999", 1, "too many", id="endless range"),
        pytest.param("sampler: dimm", 1, 'did you mean "ddim"?', id="unknown sampler"),
        pytest.param("sampler: 3", 1, "sampler: 3 is not the name of a sampler", id="number for sampler"),
        pytest.param("lab: walkk", 1, 'lab: this config is for "walkk"', id="unknown lab"),
        pytest.param("film: 3", 1, "film: 3 is not a block of keys", id="value for block"),
        pytest.param("film:\n  size: [1921, 1080]", 2, "film.size: 1921 is odd", id="odd film"),
        pytest.param("film: {theme: drak}", 1, 'did you mean "dark"?', id="unknown theme"),
        pytest.param(
            "loras: [{file: a, scal: 3}]", 1, 'loras[0].scal: unknown key; did you mean "scale"?', id="in list"
        ),
        pytest.param("views: [canvas, canvas]", 1, "views: want one to three of", id="view twice"),
        pytest.param("views: []", 1, "views: want one to three of", id="no views"),
        pytest.param("prompt: 12", 1, "prompt: 12 is not text", id="number for text"),
        pytest.param("steps: 1\nsteps: 2", 2, "steps: the key is there twice (first at line 1)", id="duplicate key"),
        pytest.param("a: [1", 1, "not YAML", id="not yaml"),
        pytest.param("- 1\n- 2", 1, "want keys and values at the top, not a list", id="list"),
        pytest.param("just words", 1, "want keys and values at the top", id="words"),
        pytest.param("a: &x [1]\nb: *x", 2, "aliases (*x) are not taken", id="alias"),
        pytest.param("a: [" + "1," * 30_000 + "]", 1, "has more parts than any config", id="a long list"),
        pytest.param("steps: " + "1" * 2000, 1, "is not a whole number that can be read", id="2,000 digits"),
        pytest.param("cfg: 1." + "1" * 2000, 1, "is not a number that can be read", id="2,000 decimals"),
        pytest.param("a: " + "[" * 5000, 1, "nested more than 20 levels deep", id="deep"),
        pytest.param("!!python/object/apply:os.system ['true']", 1, "could not determine a constructor", id="code"),
    ],
)
def test_wrong_config(tmp_path, text, line, says):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert f"x.yaml:{line}: " in message
    assert says in message
    assert caught.value.exit_code == 2


def test_a_file_of_more_documents_than_anybody_writes(tmp_path, monkeypatch):
    """60,000 documents of 1 MB took more than ten seconds to check."""
    monkeypatch.setattr("denoisecli.config.yaml.MOST_DOCUMENTS", 3)
    assert len(read_documents(b"---\nlab: noise\n" * 3, "x.yaml")) == 3
    with pytest.raises(ConfigError, match="x.yaml:7: more than 3 documents"):
        read_documents(b"---\nlab: noise\n" * 4, "x.yaml")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"# nothing\n", "is empty", id="only comments"),
        pytest.param(b"\xff\xfe\x00", "not text in UTF-8", id="binary"),
        pytest.param(b"a: \x00", "is not YAML", id="nul"),
        pytest.param(b"a: " + b"x" * 1_000_001, "larger than 1 MB", id="huge"),
    ],
)
def test_wrong_file(tmp_path, raw, says):
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=says):
        load_configs(SampleConfig, [str(path)])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("DENOISECLI_STEPZ", "did you mean DENOISECLI_STEPS?"),
        ("DENOISECLI_FILM_THEME", "did you mean DENOISECLI_FILM__THEME?"),
        ("DENOISECLI_XYZZY", "does nothing"),
        ("DENOISECLI_FRAMES", None),  # of another lab
        ("DENOISECLI_RUNS_DIR", None),
        ("DENOISE", None),
    ],
)
def test_variables_that_do_nothing_are_told(name, says):
    found = unknown_variables({name: "1"})
    assert bool(found) == bool(says)
    assert all(says in sentence and name in sentence for sentence in found)


def test_a_key_of_a_block_is_found_from_its_name():
    with pytest.raises(ConfigError, match=r'theme: unknown key; did you mean "film\.theme"\?'):
        load_configs(SampleConfig, [], [settings(SampleConfig, ["theme=light"])])


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_file_that_cannot_be_read(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no such|is not a file but a folder"):
        load_configs(SampleConfig, [name])


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        pytest.param("cfg: 1e-4", "cfg", 1e-4, id="YAML 1.2 exponent"),
        pytest.param("prompt: no", "prompt", "no", id="YAML 1.2 no"),
        pytest.param("cfg: 0", "cfg", 0.0, id="an explicit zero"),
        pytest.param("seeds: 1-4", "seeds", (1, 2, 3, 4), id="range"),
        pytest.param('seeds: "7, 21"', "seeds", (7, 21), id="comma"),
        pytest.param("seeds: [1-2, 9]", "seeds", (1, 2, 9), id="range in list"),
        pytest.param("size: 768x512", "size", (768, 512), id="size text"),
        pytest.param("size: 256", "size", (256, 256), id="size side"),
        pytest.param("sampler: DPM++ 2M Karras", "sampler", "dpmpp_2m_karras", id="sampler label"),
        pytest.param("sampler: dpm++2m", "sampler", "dpmpp_2m", id="sampler label, written otherwise"),
        pytest.param("sampler: Euler-A", "sampler", "euler_a", id="sampler key, written otherwise"),
        pytest.param("loras: [a.safetensors]", "loras", (Lora(file="a.safetensors"),), id="lora by its file alone"),
    ],
)
def test_right_config(tmp_path, text, key, value):
    assert getattr(read(tmp_path, text)[0], key) == value


def test_every_error_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "steps: 0\ncfg: x\n")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "2"]


def test_of_very_many_errors_the_first_are_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "".join(f"key{number}: 1\n" for number in range(60)))
    lines = str(caught.value).splitlines()
    assert "x.yaml:1: key0: unknown key" in lines[0]
    assert (len(lines), lines[-1]) == (51, "... and 10 faults more")


def test_many_documents_are_no_large_one(tmp_path):
    one = f"seeds: {list(range(1000))}\n"
    assert len(read(tmp_path, "---\n".join([one] * 30))) == 30


def test_several_documents_and_files(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("steps: 1\n---\nsteps: 2\n")
    two.write_text("steps: 3\n")
    assert [config.steps for config in load_configs(SampleConfig, [str(one), str(two)])] == [1, 2, 3]


def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"steps: 4")))
    assert load_configs(SampleConfig, ["-"])[0].steps == 4


def test_precedence(tmp_path, monkeypatch):
    path = tmp_path / "x.yaml"
    path.write_text("steps: 2\ncfg: 2\neta: 0.5\n")
    monkeypatch.setenv("DENOISECLI_CFG", "3")
    monkeypatch.setenv("DENOISECLI_STEPS", "3")
    config = load_configs(SampleConfig, [str(path)], [flags(steps=4), settings(SampleConfig, ["film.theme=light"])])[0]
    assert (config.eta, config.cfg, config.steps, config.film.theme) == (0.5, 3, 4, "light")


@pytest.mark.parametrize(
    ("pair", "key", "value"),
    [
        pytest.param("seeds=[1, 2]", "seeds", (1, 2), id="list"),
        pytest.param("prompt=dusk: a study", "prompt", "dusk: a study", id="text with a colon"),
        pytest.param("prompt=[red]", "prompt", "[red]", id="text with brackets"),
        pytest.param("negative_prompt=", "negative_prompt", "", id="empty text"),
    ],
)
def test_set(pair, key, value):
    assert getattr(build(SampleConfig, [settings(SampleConfig, [pair])]), key) == value


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        pytest.param("steps", "want KEY=VALUE", id="no value"),
        pytest.param("=3", "want KEY=VALUE", id="no key"),
        pytest.param("stesp=3", 'stesp: unknown key; did you mean "steps"?', id="typo"),
        pytest.param("seeds=[1", "the value is not YAML: expected ',' or ']'", id="not yaml"),
        pytest.param("seeds=a:²", "is not a seed", id="what Python calls a digit"),
        pytest.param("seeds=[1,\udcff]", "is not text in UTF-8", id="no text"),
        pytest.param("film.\udcff=1", "film.\N{REPLACEMENT CHARACTER}: unknown key", id="a key that is no text"),
    ],
)
def test_wrong_set(pair, says):
    with pytest.raises(ConfigError) as caught:
        build(SampleConfig, [settings(SampleConfig, [pair])])
    assert says in str(caught.value)
    assert f"--set {safe(pair)}: " in str(caught.value)


HALF = "x\ud83d"
NO_TEXT = "'x\\ud83d' is not text in UTF-8"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param({"prompt": HALF}, f"prompt: {NO_TEXT}", id="text"),
        pytest.param({"seeds": [HALF]}, f"seeds[0]: {NO_TEXT}", id="a seed"),
        pytest.param({"seeds": HALF}, f"seeds: {NO_TEXT}", id="seeds"),
        pytest.param({"sampler": HALF}, f"sampler: {NO_TEXT}", id="a choice"),
        pytest.param({"size": [HALF, 8]}, f"size[0]: {NO_TEXT}", id="a side"),
        pytest.param({"steps": HALF}, f"steps: {NO_TEXT}", id="a number"),
        pytest.param({"film": {"theme": HALF}}, f"film.theme: {NO_TEXT}", id="in a block"),
        pytest.param({"loras": [{"file": HALF}]}, f"loras[0].file: {NO_TEXT}", id="in a list of blocks"),
        pytest.param({"loras": [HALF]}, f"loras[0]: {NO_TEXT}", id="a block by one value"),
        pytest.param({"film": {HALF: {HALF: [HALF]}}}, f"film.x�.x�[0]: {NO_TEXT}", id="under unknown keys"),
        pytest.param({HALF: 1}, "x�: unknown key", id="a key"),
    ],
)
def test_text_is_checked_wherever_it_stands(values, says):
    with pytest.raises(ConfigError) as caught:
        build(SampleConfig, [Layer(values, source="here")])
    assert says in caught.value.message
    caught.value.message.encode()
    with pytest.raises(ValueError, match=r"not text in UTF-8|Extra inputs"):
        SampleConfig(**values)


def test_text_of_two_halves_is_text():
    assert build(SampleConfig, [Layer({"prompt": "\ud83d\ude00"})]).prompt == "😀"


def test_text_that_is_none_is_told_with_its_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, 'steps: 3\nfilm:\n  theme: "\\ud83d"\n  "\\ud83d": 1\n')
    assert "x.yaml:3: film.theme: " in caught.value.message


def test_environment_reaches_nested_keys_and_names_itself():
    layer = environment(SampleConfig, {"DENOISECLI_FILM__THEME": "light", "DENOISECLI_RUNS_DIR": "/x", "HOME": "/"})
    assert layer.values == {"film": {"theme": "light"}}
    with pytest.raises(ConfigError, match="^DENOISECLI_STEPS: steps: 0 is out of range"):
        build(SampleConfig, [environment(SampleConfig, {"DENOISECLI_STEPS": "0"})])


def test_check_needs_a_lab(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("steps: 3")
    with pytest.raises(ConfigError, match="which lab is this for"):
        load_any([str(path)])
    path.write_text("lab: sampel")
    with pytest.raises(ConfigError, match='did you mean "sample"'):
        load_any([str(path)])
    path.write_text("lab: sample\nsteps: 3")
    assert load_any([str(path)])[0].lab == "sample"


def test_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        build(SampleConfig, [Layer({})]).steps = 3
