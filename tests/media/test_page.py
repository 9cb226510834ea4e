import base64
import hashlib
import json
import re

import numpy as np
import pytest

from denoisecli.media.page import HERE, Look, Page, json_text, page_html, script
from denoisecli.media.page import budget as budgets
from denoisecli.media.page.budget import fitted
from denoisecli.media.picture_file import PictureFile, write_pictures

LOOK = Look({"ground": "#000000"}, {"ground": "#ffffff"})
HOSTILE = "</script><script>alert(1)</script><!-- \u2028 &amp; $title"
ROOMS = sorted(HERE.parents[1].glob("*/*/page.js"))
SAMPLE = HERE.parents[1] / "labs" / "sample" / "page.js"


def page(**changes):
    return page_html(Page(**({"script": SAMPLE, "title": "t", "data": {"title": "t"}, "look": LOOK} | changes)))


def test_no_word_of_a_run_can_end_the_script_element():
    text = page(title=HOSTILE, data={"title": HOSTILE})
    assert text.count("<script") == text.count("</script>") == 3
    assert "alert(1)</script>" not in text
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(found[1]) == {"title": HOSTILE}


@pytest.mark.parametrize("value", [HOSTILE, {"a": ["<", None, 1.5]}, "ᾱ σ"], ids=str)
def test_json_reads_back_and_holds_no_tag(value):
    text = json_text(value)
    assert json.loads(text) == value
    assert "<" not in text
    assert "\u2028" not in text


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_that_json_does_not_know(number):
    with pytest.raises(ValueError, match="Out of range"):
        json_text(number)


@pytest.mark.parametrize("lab", ROOMS, ids=lambda path: path.parent.name)
def test_policy_names_the_very_style_and_script(lab):
    text = page(script=lab)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    for tag, source in (("style", "style"), ('script type="module"', "script")):
        body = re.search(f"<{tag}>(.*?)</{source}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{source}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert " style=" not in re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("lab", ROOMS, ids=lambda path: path.parent.name)
def test_each_module_comes_once_and_behind_those_it_imports(lab):
    text = script(lab)
    defined = re.findall(r"^const \$(\w+) = ", text, re.MULTILINE)
    assert len(defined) == len(set(defined))
    assert defined[-1] == "page_main"
    assert f"{lab.parent.name}_page" in defined
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)
    for use in re.finditer(r"= \$(\w+);", text):
        assert text.index(f"const ${use[1]} = ") < use.start()


def test_a_module_takes_only_what_the_other_gives():
    for path in HERE.parents[1].rglob("*.js"):
        for names, other in re.findall(r'^import \{([^}]*)\} from "([^"]+)";', path.read_text(), re.MULTILINE):
            if other == "./lab.js":
                continue
            given = re.findall(
                r"^export (?:async )?(?:function|const|class) (\w+)", (path.parent / other).read_text(), re.M
            )
            assert {name.strip() for name in names.split(",")} <= set(given), f"{path.name}: {other}"


def test_arrays_are_little_endian_whatever_they_were():
    text = page(arrays={"x": np.array([1, -2], dtype=">i2")})
    blobs = json.loads(re.search(r'id="blobs">(.*?)</script>', text, re.DOTALL)[1])
    assert blobs["arrays"]["x"] == {
        "dtype": "int16",
        "shape": [2],
        "data": base64.b64encode(b"\x01\0\xfe\xff").decode(),
    }


@pytest.fixture
def stored(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2, 5, 96, 128, 3), dtype=np.uint8)
    with PictureFile.open(write_pictures(tmp_path / "pictures.zip", {"guess": noise})) as file:
        yield file


def test_small_runs_embed_the_stored_bytes(stored):
    coded, note = fitted(stored, [("guess", 0, 1), ("guess", 1, 4)])
    assert coded == {"guess/0/1": stored["guess"].coded(0, 1), "guess/1/4": stored["guess"].coded(1, 4)}
    assert note is None
    assert fitted(stored, []) == ({}, None)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        pytest.param("MOST_BYTES", 60_000, id="bytes"),
        pytest.param("MOST_PIXELS", 30_000, id="pixels"),
    ],
)
def test_large_runs_are_shown_smaller_and_say_so(stored, monkeypatch, limit, most):
    monkeypatch.setattr(budgets, limit, most)
    places = [("guess", seed, state) for seed in range(2) for state in range(5)]
    coded, note = fitted(stored, places)
    assert len(coded) == 10
    assert re.fullmatch(r"Pictures are shown at (\d+)×(\d+) instead of 128×96, so that the page stays small\.", note)
    width, height = map(int, re.findall(r"\d+", note)[:2])
    total = sum(map(len, coded.values())) if limit == "MOST_BYTES" else 10 * width * height
    assert total <= most * 1.02
