"""What varies: ranges, lists, files, YAML; and the product of several."""

import pytest

from denoisecli.batch.variations import product, variation
from denoisecli.config.yaml import read_documents
from denoisecli.errors import ConfigError
from denoisecli.registry import CONFIGS

DECK = CONFIGS["sample"]


@pytest.mark.parametrize(
    ("lab", "text", "key", "values"),
    [
        pytest.param("sample", "seed=0-3", "seeds", [0, 1, 2, 3], id="range of seeds"),
        pytest.param("sample", "seed=7,20-22", "seeds", [7, 20, 21, 22], id="seeds and a range of them"),
        pytest.param("sample", "seeds=[[1, 2], [3, 4]]", "seeds", [[1, 2], [3, 4]], id="two seeds a run"),
        pytest.param("noise", "seed=1-2", "seed", [1, 2], id="the noise lab's one seed"),
        pytest.param("sample", "cfg=3,7.5", "cfg", [3, 7.5], id="list of numbers"),
        pytest.param("sample", "steps=10-12", "steps", [10, 11, 12], id="range of any whole number"),
        pytest.param("sample", "film.theme=dark,light", "film.theme", ["dark", "light"], id="inside a block"),
        pytest.param("sample", "size=512x512,768x512", "size", ["512x512", "768x512"], id="sizes"),
        pytest.param("sample", "prompt=a castle,a mill", "prompt", ["a castle", "a mill"], id="prompts"),
        pytest.param("sample", "prompt=0-3", "prompt", ["0-3"], id="a prompt is no range"),
        pytest.param("sample", 'prompt=["castle, at dusk", mill]', "prompt", ["castle, at dusk", "mill"], id="YAML"),
        pytest.param("sample", 'prompt=["a: b"]', "prompt", ["a: b"], id="YAML with a colon"),
        pytest.param("sample", "prompt=dusk: a study", "prompt", ["dusk: a study"], id="a colon is text"),
        pytest.param("sample", "loras=[[{file: a.safetensors}], []]", "loras", [[{"file": "a.safetensors"}], []],
                     id="blocks"),
        pytest.param("cfg-sweep", "scales=[[1, 3], [1, 12]]", "scales", [[1, 3], [1, 12]], id="lists as values"),
        pytest.param("walk", "frames=8,16", "frames", [8, 16], id="another lab"),
    ],
)  # fmt: skip
def test_values(lab, text, key, values):
    found = variation(CONFIGS[lab], text)
    assert (found.name, list(found.values)) == (key, values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("stesp=3", 'stesp: unknown key; did you mean "steps"?', id="unknown key"),
        pytest.param("film.them=dark", 'film.them: unknown key; did you mean "theme"?', id="unknown key inside"),
        pytest.param("cfg.x=3", "cfg.x: unknown key", id="inside what has no inside"),
        pytest.param("cfg", "want KEY=VALUES", id="no values"),
        pytest.param("=3", "want KEY=VALUES", id="no key"),
        pytest.param("cfg=", "there are no values", id="empty"),
        pytest.param("cfg=,", "there are no values", id="only commas"),
        pytest.param("cfg=[]", "there are no values", id="empty YAML"),
        pytest.param("cfg=3,3", "3 is there twice", id="twice"),
        pytest.param("seed=5-2", "runs backwards; write 2-5", id="backwards"),
        pytest.param("seed=0-9999999", "10,000,000 values are too many", id="too many"),
        pytest.param("seed=0-99999,200000", "100,001 values are too many", id="too many, beside a range"),
        pytest.param("prompt=@nowhere.txt", "nowhere.txt cannot be read: No such file", id="no file"),
        pytest.param("prompt=[a", "is not YAML", id="broken YAML"),
        pytest.param("lab=walk", "the lab cannot vary", id="lab"),
    ],
)
def test_refused(text, says):
    with pytest.raises(ConfigError) as error:
        variation(DECK, text)
    assert says in error.value.message
    assert error.value.message.startswith("--vary ")


def test_file_of_prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffa castle, at dusk\r\n\r\n  # a mill: a study  \n".encode())
    assert variation(DECK, f"prompt=@{path}").values == ["a castle, at dusk", "# a mill: a study"]
    path.write_text("3\n7.5\n")
    assert variation(DECK, f"cfg=@{path}").values == [3, 7.5]


@pytest.mark.parametrize(
    ("content", "says"),
    [pytest.param(b"\n \n", "is empty", id="empty"), pytest.param(b"\xff\xfe\x00", "UTF-8", id="no text")],
)
def test_file_refused(tmp_path, content, says):
    (tmp_path / "prompts.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        variation(DECK, f"prompt=@{tmp_path / 'prompts.txt'}")


def test_a_file_of_too_many_values_is_not_read_to_its_end(tmp_path, monkeypatch):
    """Each line is read and checked before anything begins: a million of them took minutes."""
    monkeypatch.setattr("denoisecli.batch.variations.MOST_LISTED", 3)
    monkeypatch.setattr("denoisecli.batch.variations.read_setting", lambda *_: pytest.fail("read"))
    (tmp_path / "values.txt").write_text("3\n4\n\n5\n6\n")
    with pytest.raises(ConfigError, match=r"4 values are too many \(at most 3\)"):
        variation(DECK, f"cfg=@{tmp_path / 'values.txt'}")


def configs(found, first=0, behind=10**6):
    return list(found.between(first, behind))


def test_product_has_the_last_key_fastest():
    found = product(None, ["steps=4"], ["seed=0-1", "film.theme=dark,light"])
    assert len(found) == 4
    rows = configs(found)
    assert [label for label, _ in rows] == [
        "seeds=0 film.theme=dark", "seeds=0 film.theme=light", "seeds=1 film.theme=dark", "seeds=1 film.theme=light",
    ]  # fmt: skip
    assert [(c.seeds, c.film.theme, c.steps) for _, c in rows][1] == ((0,), "light", 4)
    assert configs(found, 1, 3) == rows[1:3]


def test_no_variation_is_one_run():
    assert [label for label, _ in configs(product(None, [], []))] == [""]


def test_variations_stand_above_file_and_settings():
    document = read_documents(b"lab: sample\ncfg: 1\nsteps: 9\n", "x.yaml")[0]
    assert [c.cfg for _, c in configs(product(document, ["cfg=2"], ["cfg=3,4"]))] == [3, 4]


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        pytest.param(["cfg=3,many"], "cfg: 'many' is not a number", id="not the first value"),
        pytest.param(["steps=0-3"], "steps: 0 is out of range (want 1 to 1000)", id="out of range"),
        pytest.param(["size=64-72"], "size", id="inside a range"),
        pytest.param(
            ["seed=0-999999"] + [f"{key}=1-1000000" for key in ("film.fps", "steps", "batch")],
            "more than 1,000,000,000 runs",
            id="beyond counting",
        ),
        pytest.param(["cfg=3", "cfg=4"], "cfg varies already", id="one key twice"),
        pytest.param(["seed=1-2", "seeds=3"], "seeds varies already", id="one key under two names"),
    ],
)
def test_product_refused_before_anything_starts(vary, says):
    with pytest.raises(ConfigError) as error:
        product(None, [], vary)
    assert says in error.value.message


def test_a_million_take_no_time_and_no_memory():
    import time
    import tracemalloc

    tracemalloc.start()
    began = time.process_time()
    found = product(None, [], ["seed=0-999999"])
    (last,) = found.between(999_999, 1_000_000)
    assert time.process_time() - began < 2
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert (len(found), last[1].seeds) == (1_000_000, (999_999,))


def test_document_without_a_lab():
    with pytest.raises(ConfigError, match="which lab is this for"):
        product(read_documents(b"cfg: 1\n", "x.yaml")[0], [], [])


def test_what_only_a_combination_contradicts_is_that_runs_own_fault():
    document = read_documents(b"lab: walk\nseeds: [1]\n", "x.yaml")[0]
    vary = ["between=[{scales: [1, 3]}, {strengths: [0, 1]}]", "loras=[[{file: a.safetensors}], []]"]
    found = [config for _, config in configs(product(document, [], vary))]
    assert [isinstance(config, ConfigError) for config in found] == [False, False, False, True]
    assert "strengths are of LoRAs, but there are none" in found[3].message
