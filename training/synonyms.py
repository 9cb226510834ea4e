"""Other words for those of the grammar: what people type first, read as the word that the model was taught.

    python -m training.synonyms --pipeline src/denoisecli/pocket

Each becomes a token of its own that is embedded exactly as the word that it stands for, so that "a house at sunset" is
"a cottage at dusk" to the bit, and no other prompt changes. A model of one's own learns such pairs from captions; here
they are given to it, since its captions have one form.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from training.captions import GRAMMAR, LEFT_OUT

SYNONYMS: dict[str, tuple[str, ...]] = {
    # landmark
    "castle": ("fortress", "fort", "citadel"),
    "cottage": ("house", "cabin", "hut"),
    "lighthouse": ("beacon",),
    "pine": ("fir", "spruce"),
    "church": ("chapel", "cathedral"),
    "bridge": ("viaduct",),
    "boat": ("ship", "sailboat"),
    "windmill": ("mill",),
    "tower": ("watchtower",),
    "red": ("scarlet", "crimson"),
    # terrain
    "cliff": ("cliffs",),
    "dune": ("dunes",),
    "grassy": ("green",),
    "hill": ("hills", "hilltop", "hillside"),
    "island": ("isle", "islet"),
    "rocky": ("rock", "rocks"),
    "sand": ("sandy",),
    "small": ("little", "tiny"),
    # time
    "dawn": ("sunrise", "morning", "daybreak"),
    "dusk": ("sunset", "evening", "twilight"),
    "night": ("midnight",),
    "noon": ("midday", "day"),
    # sky
    "clear": ("cloudless", "sunny"),
    "clouds": ("cloud", "cloudy"),
    "dark": ("gloomy",),
    "golden": ("gold",),
    "sky": ("skies",),
    "soft": ("fluffy",),
    "storm": ("stormy",),
    # foreground
    "calm": ("quiet", "still", "peaceful"),
    "crashing": ("breaking", "rough"),
    "field": ("meadow", "fields"),
    "flowers": ("flower", "wildflowers", "blossoms"),
    "sea": ("ocean", "water"),
    "snowy": ("snow", "winter"),
    "waves": ("wave", "surf"),
    # style
    "pencil": ("graphite",),
    "pixel": ("pixelated",),
    "sketch": ("drawing",),
    "watercolor": ("watercolour", "aquarelle"),
    # what stands between
    "a": ("an", "the"),
    "at": ("in", "during"),
    "on": ("by", "near", "above", "over"),
    ",": ("with", "and", "under"),
}
"""Words of the grammar's captions, each with those that are read as it."""
WORD_ENDS = "</w>"
EMBEDDING = "embeddings.token_embedding.weight"


def whole_words(folder: Path) -> set[str]:
    """The words, and the comma, that a pipeline's tokenizer takes for one token."""
    tokens = json.loads((folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    return {token.removesuffix(WORD_ENDS) for token in tokens if token.endswith(WORD_ENDS)}


def known_words(folder: Path) -> dict[str, tuple[str, ...]]:
    """The grammar as far as a pipeline's tokenizer has its words: attributes of which it has all."""
    tokens = whole_words(folder)
    known = {name: tuple(one for one in words if set(one.split()) <= tokens) for name, words in GRAMMAR.items()}
    return {name: words for name, words in known.items() if words == GRAMMAR[name] or name not in LEFT_OUT}


def pieces(word: str, merges: Sequence[tuple[str, str]]) -> list[str]:
    """Return what byte pairs leave of a word (Sennrich et al. 2016): the earliest merge first, until none fits."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    parts = [*word[:-1], word[-1] + WORD_ENDS]
    while True:
        places = [(ranks[pair], at) for at, pair in enumerate(itertools.pairwise(parts)) if pair in ranks]
        if not places:
            return parts
        _, at = min(places)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def with_words(merges: Sequence[tuple[str, str]], words: Iterable[str]) -> list[tuple[str, str]]:
    """Return merges that make one token of each word. They come last, so that what was one token stays it."""
    grown = list(merges)
    for word in words:
        parts = pieces(word, grown)
        while len(parts) > 1:
            grown.append((parts[0], parts[1]))
            parts = pieces(word, grown)
    return grown


def teach(folder: Path, synonyms: dict[str, tuple[str, ...]] | None = None) -> int:
    """Give a pipeline's tokenizer and text encoder the words; return how many tokens they have then.

    To do it twice is to do it once. A word that the tokenizer has not is not stood for.
    """
    synonyms = SYNONYMS if synonyms is None else synonyms
    had = json.loads((folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    means = {word: known for known, words in synonyms.items() if known + WORD_ENDS in had for word in words}
    tokens = grow_tokenizer(folder / "tokenizer", list(means))
    path = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    table = tensors[EMBEDDING]
    grown = table.new_zeros(len(tokens), table.shape[1])
    grown[: len(table)] = table
    for word, known in means.items():
        grown[tokens[word + WORD_ENDS]] = table[tokens[known + WORD_ENDS]]
    save_file(tensors | {EMBEDDING: grown}, path, metadata={"format": "pt"})
    update_json(folder / "text_encoder" / "config.json", vocab_size=len(tokens))
    return len(tokens)


def grow_tokenizer(folder: Path, words: Sequence[str]) -> dict[str, int]:
    """Give the tokenizer's files merges and tokens for the words; return all tokens with their numbers."""
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    before = [(first, second) for first, second in whole["model"]["merges"]]
    merges, tokens = with_words(before, words), whole["model"]["vocab"]
    for pair in merges[len(before) :]:
        tokens.setdefault("".join(pair), len(tokens))
    whole["model"]["merges"] = [list(pair) for pair in merges]
    (folder / "tokenizer.json").write_text(json.dumps(whole, indent=2, ensure_ascii=False), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    numbered: dict[str, int] = tokens
    return numbered


def update_json(path: Path, **values: Any) -> None:
    """Set some keys of a JSON file."""
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | values, indent=2) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Teach a pipeline folder the words, in place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    options = parser.parse_args(argv)
    print(json.dumps({"tokens": teach(options.pipeline)}))


if __name__ == "__main__":
    main()
