"""The glossary: docs/glossary.md is made from it; `pytest tests/test_glossary.py --update-golden` writes it anew."""

from pathlib import Path

import pytest

from denoisecli import glossary, metrics

PAGE = Path(__file__).parents[1] / "docs" / "glossary.md"
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
