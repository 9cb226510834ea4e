"""The glossary: docs/glossary.md is made from it; `pytest tests/test_glossary.py --update-golden` writes it anew."""

import re
from pathlib import Path

import pytest

from denoisecli import glossary, metrics

PAGE = Path(__file__).parents[1] / "docs" / "glossary.md"
SOURCE = PAGE.parents[1] / "src" / "denoisecli"
OURS = ("fixed below", "pull in its", 'where it pulls"', "On the way", "what the copy keeps", 'f"from {facts')
LONGEST = 110  # letters that fit a line under a chart of a 1920 film


def test_the_page_is_made_from_the_terms(request):
    if request.config.getoption("--update-golden"):
        PAGE.write_text(glossary.page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == glossary.page()


@pytest.mark.parametrize("word", glossary.TERMS)
def test_a_term_is_one_short_sentence(word):
    term = glossary.TERMS[word]
    assert term.means[-1] == "."
    assert ". " not in term.means
    assert len(term.means) <= LONGEST
    assert "|" not in word + term.field + term.means  # it stands in a table


def test_a_word_is_explained_once():
    assert len(glossary.TERMS) == sum(map(len, glossary.GROUPS.values()))


def test_numbers_are_those_of_the_measure():
    for word in ("layout", "detail"):
        assert f"{metrics.LAYOUT_CYCLES:g} cycles" in glossary.TERMS[word].means
    fixed = glossary.TERMS["fixed"].means
    assert f"layout within {metrics.LAYOUT_COMMITTED:g}, detail within {metrics.DETAIL_COMMITTED:g}" in fixed


@pytest.mark.parametrize("word", OURS)
def test_words_that_only_we_use_are_not_said(word):
    files = [path for path in SOURCE.rglob("*.py") if "figures" in path.parts or path.name.startswith("page")]
    files += SOURCE.rglob("*.js")
    said = [path.relative_to(SOURCE).as_posix() for path in files if word in path.read_text(encoding="utf-8")]
    assert said == []


@pytest.mark.parametrize("name", glossary.CAPTIONS)
def test_a_caption_says_what_high_or_low_means(name):
    caption = glossary.CAPTIONS[name]
    assert len(caption.line) <= 42
    assert caption.text.endswith(".")
    assert len(caption.text) <= 130


def test_every_page_names_known_words():
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("page.py"))
    asked = re.findall(r"glossary\.(?:terms|captions)\(([^*)]*)", text)
    names = {name for call in asked for name in re.findall(r'"([^"]+)"', call)}
    assert names <= {*glossary.TERMS, *glossary.ALSO, *glossary.CAPTIONS}
    assert {"alpha_bar", "settling", "change"} <= names


def test_units_belong_to_known_words():
    assert {*glossary.UNITS} <= {*glossary.TERMS, *glossary.ALSO}
    assert {*glossary.ALSO.values()} <= {*glossary.TERMS}
