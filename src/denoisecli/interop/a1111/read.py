"""A1111's "parameters" text, read with its own grammar: prompt, negative prompt, one line of `key: value` pairs.

Grammar: modules/infotext_utils.py `parse_generation_parameters` of AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from denoisecli.config.base import MOST_SCALE
from denoisecli.config.fields import MOST_STEPS
from denoisecli.config.phases import share_of
from denoisecli.safe_text import json_values

from ..imported import CONTROL, Imported, number, whole
from ..samplers import from_a1111
from .editing import stages

KEY = re.compile(r"([^\W\d_][\w \-/().]{0,80}?):[ \t]*")
SPACE, VALUE_END, MARK = re.compile(r"\s*"), re.compile(r"[,\n]"), re.compile(r'["\[\]{}]|\\.', re.DOTALL)
BEHIND_CLOSED = re.compile(r"[ \t]*(,|\n|$)")
STEPS = re.compile(r"(?:^|(?<=[\n.,;|> ]))\t*Steps:[ \t]*\d")  # blanks before it would be tried from each of them
NEGATIVE = "Negative prompt:"
LOST_BREAK = re.compile(r"(?<=[\n.,;|> ])Negative prompt:|^Negative prompt:")
MOST_LINE = 20_000  # characters of pairs
LEAST_PAIRS = 3  # fewer, and the last line belongs to the prompt
MOST_SPLITS = 50  # of places where the pairs may begin
MOST_MARKS = 500_000  # looked at for what closes a value, over all splits; behind them a value ends at a comma
MOST_PHASES = 300_000  # characters in the prompts of all phases together
CLOSING = {"[": "]", "{": "}", '"': '"'}
READ = {
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash", "Eta DDIM", "RNG",
    "Version", "User", "Lora hashes", "TI hashes", "VAE", "VAE hash", "Denoising strength", "Clip skip",
    "Variation seed", "Variation seed strength", "ENSD", "CFG rescale", "Template", "Negative Template", "Batch size",
    "Batch pos", "First pass size", "Scheduler", "Distilled CFG Scale", "Hashes", "Created Date",
    "Civitai resources", "Civitai metadata", "Schedule", "Guidance",
}  # fmt: skip
WORDS = ("prompt", "negative_prompt")
USUAL_STEPS = 20
INSTEAD = {"Scheduler": "Schedule type", "Schedule": "Schedule type", "CFG Scale": "CFG scale", "CFG": "CFG scale",
           "Cfg scale": "CFG scale", "seed": "Seed", "steps": "Steps", "sampler": "Sampler", "size": "Size",
           "Checkpoint": "Model"}  # fmt: skip
"""What other writers call a pair."""


def parse(text: str) -> tuple[str, str, dict[str, str]]:
    """Return prompt, negative prompt and the pairs of an infotext, also of one whose line breaks were lost."""
    prompt, negative, pairs, _ = parted(text)
    return prompt, negative, pairs


def parted(text: str) -> tuple[str, str, dict[str, str], str]:
    """Return prompt, negative prompt, the pairs, and what stands behind these."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    at, pairs, tail = _pairs_of(text)
    words = text[:at].rstrip("\n") if pairs else text
    lines = [line.strip() for line in words.split("\n")]
    first = next((number for number, line in enumerate(lines) if line.startswith(NEGATIVE)), None)
    if first is not None:
        below = [lines[first].removeprefix(NEGATIVE).strip(), *lines[first + 1 :]]
        return "\n".join(lines[:first]), "\n".join(below), pairs, tail
    words = "\n".join(lines)
    lost = list(LOST_BREAK.finditer(words)) if pairs else []
    if not lost:
        return words, "", pairs, tail
    return _without_mark(words[: lost[0].start()]), _without_mark(words[lost[0].end() :]), pairs, tail


def _without_mark(words: str) -> str:
    """Return what stood before a line break that was made a dot, a comma or a tag."""
    words = re.sub(r"<br ?/?>\s*$", "", words.strip())
    return words[:-1].rstrip() if words[-1:] in (".", "|", ";") else words


def _pairs_of(text: str) -> tuple[int, dict[str, str], str]:
    """Return where the pairs begin, the pairs, and the text behind them: at the last "Steps:" with two more, or else
    in the last line, of three at least."""
    starts = [match.start() for match in STEPS.finditer(text)][-MOST_SPLITS:]
    marks = itertools.count()
    found = [(start, *_read_pairs(text[start : start + MOST_LINE], marks)) for start in starts]
    known = [each for each in found if len(each[1]) >= LEAST_PAIRS]
    for start, pairs, tail, _ in reversed(known):
        inside = any(a < start - other < b for other, _, _, spans in known for a, b in spans)
        if not inside:  # of a value that has pairs of its own, as JSON may
            return _first_pair(text, start), pairs, tail
    start = text.rfind("\n") + 1
    pairs, tail, _ = _read_pairs(text[start : start + MOST_LINE], marks)
    usual = {"Seed", "Size", "Sampler", "CFG scale", "Model", "Model hash"} & pairs.keys()
    return (start, pairs, tail) if len(pairs) >= LEAST_PAIRS and usual else (len(text), {}, "")


def _first_pair(text: str, at: int) -> int:
    """Return where the words before the pairs end: at a mark that stands for a lost line break, too."""
    before = text[:at].rstrip(" \t")
    return len(before[:-1]) if before[-1:] in (".", "|", ";") else len(before)


def _read_pairs(text: str, marks: Iterator[int]) -> tuple[dict[str, str], str, list[tuple[int, int]]]:
    """Return the pairs that stand at the start of a text, the first of each name, what no pair is behind them, and
    where their values are that have quotes or brackets around them.

    A value ends at a comma or line break outside of quotes and brackets that are closed again. marks: counts the
    quotes and brackets that were looked at.
    """
    pairs: dict[str, str] = {}
    spans = []
    at, rest = _behind_space(text, 0), ""
    while at < len(text):
        match = KEY.match(text, at)
        if not match:
            end = _plain_end(text, at)
            rest += text[at:end].strip() + "\n"
            at = _behind_space(text, end + 1)
            continue
        end = _value_end(text, match.end(), marks)
        if text[match.end() : match.end() + 1] in CLOSING:
            spans.append((match.end(), end))
        key = INSTEAD.get(match[1].strip(), match[1].strip())
        pairs.setdefault(key, _unquoted(text[match.end() : end].strip()))
        at = _behind_space(text, end + 1)
    return pairs, rest.strip(), spans


def _behind_space(text: str, start: int) -> int:
    match = SPACE.match(text, start)
    return match.end() if match else start


def _plain_end(text: str, start: int) -> int:
    match = VALUE_END.search(text, start)
    return match.start() if match else len(text)


def _value_end(text: str, start: int, marks: Iterator[int]) -> int:
    """Return where the value that starts there ends."""
    closing = CLOSING.get(text[start : start + 1])
    end = _closed(text, start, closing, marks) if closing else 0
    following = BEHIND_CLOSED.match(text, end) if end else None
    return following.start(1) if following else _plain_end(text, start)


def _closed(text: str, start: int, closing: str, marks: Iterator[int]) -> int:
    """Return the place behind the bracket or quote that closes the one at `start`; 0 where none does."""
    depth, quoted, at = 0, False, start
    while (match := MARK.search(text, at)) and next(marks) < MOST_MARKS:
        mark, at = match[0], match.end()
        if mark[0] == "\\":
            at = at if quoted else match.start() + 1
        elif mark == '"':
            quoted = not quoted
            if closing == '"' and not quoted:
                return at
        elif not quoted:
            depth += 1 if mark in "[{" else -1
            if depth == 0:
                return at
    return 0


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        found = json_values(value)
        return value if found is None else str(found)
    return value


def read(text: str) -> Imported | None:
    """Return the settings in an infotext; None where the text is none."""
    prompt, negative, pairs, tail = parted(text)
    if not pairs:
        return None
    imported = Imported("A1111")
    imported.set_prompts(prompt, negative, "\\()[]", syntax="a1111")
    _read_numbers(imported, pairs)
    if "Sampler" in pairs:
        from_a1111(imported, pairs["Sampler"], pairs.get("Schedule type"))
    if "Model" in pairs:
        imported.set_model(pairs["Model"])
    _phases(imported)
    _tell(imported, pairs)
    if tail:
        imported.note(f'Left out, for it is not a setting: "{CONTROL.sub(" ", tail)[:120]}".')
    return imported


def _phases(imported: Imported) -> None:
    """Take words that change on the way as phases; the last ones are the prompt."""
    steps = imported.values.get("steps", USUAL_STEPS)
    texts = [str(imported.values.get(key, "")) for key in WORDS]
    if not 1 <= steps <= MOST_STEPS or imported.values.get("prompt_syntax") != "a1111":
        return
    by_key = {key: stages(text, steps) for key, text in zip(WORDS, texts, strict=True)}
    ends = sorted({stage.end for found in by_key.values() for stage in found})
    if len(ends) == 1 and all(found[0].text == text for found, text in zip(by_key.values(), texts, strict=True)):
        return
    last = {key: found[-1].text for key, found in by_key.items()}
    phases = []
    most = MOST_PHASES // max(1, sum(max(len(stage.text) for stage in found) for found in by_key.values()))
    if len(ends) - 1 > most:
        imported.note(f"The words change {len(ends) - 1} times; behind change {most} they are the last ones.")
    for end in ends[:-1][:most]:
        now = {key: next(stage.text for stage in found if stage.end >= end) for key, found in by_key.items()}
        phases.append({"until": share_of(end, steps)} | {key: now[key] for key in WORDS if now[key] != last[key]})
    imported.values |= last | ({"phases": phases} if phases else {})


def _read_numbers(imported: Imported, pairs: dict[str, str]) -> None:
    for theirs, ours, reader in (("Steps", "steps", whole), ("CFG scale", "cfg", number),
                               ("Eta DDIM", "eta", number)):  # fmt: skip
        found = reader(pairs.get(theirs))
        if found is not None:
            imported.values[ours] = found
    seed, size = whole(pairs.get("Seed")), _size(pairs.get("First pass size")) or _size(pairs.get("Size"))
    if seed is not None:
        imported.values["seeds"] = [seed]
    if size:
        imported.values["size"] = size
    for key, ours in (("Steps", "steps"), ("CFG scale", "cfg"), ("Seed", "seeds"), ("Size", "size")):
        if key not in pairs:
            continue
        if ours not in imported.values:
            imported.note(f'{key}: "{pairs[key][:40]}" cannot be read, so the default is taken.')
    rescale = number(pairs.get("CFG rescale"))
    if rescale is not None:
        imported.values["guidance_rescale"] = rescale


def _size(text: str | None) -> list[int] | None:
    """Return a size as it is written: 512x768, with or without spaces; None for 0x0, which means the usual one."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*[x×X]\s*(\d{1,6})\s*", text or "")
    return [int(match[1]), int(match[2])] if match and int(match[1]) and int(match[2]) else None


def _started(imported: Imported, strength: float | None) -> None:
    """Keep how strongly another picture was changed, for whoever has it: A1111 takes one step more than its share."""
    steps = imported.values.get("steps", USUAL_STEPS)
    told = "It was made from another picture (img2img), which is not in the file; here it starts from noise."
    if strength is None or not 0 <= strength <= 1 or not 1 <= steps <= MOST_STEPS:
        imported.note(told)
        return
    taken = min(steps, int(min(strength, 0.999) * steps) + 1)
    imported.elsewhere["start"] = {"image": "the-picture.png", "strength": share_of(taken, steps)}
    imported.note(f"{told} With that picture, put its path into `start`.")


def _tell_hires(imported: Imported, pairs: dict[str, str]) -> None:
    """Say which phase comes near a second pass: it has the same levels, but A1111 enlarges the finished first picture.

    A second pass of other steps has other levels.
    """
    scale, strength = number(pairs.get("Hires upscale")), number(pairs.get("Denoising strength"))
    steps, own = imported.values.get("steps", USUAL_STEPS), whole(pairs.get("Hires steps")) or 0
    if own not in (0, steps) or not 1 < (scale or 0) <= MOST_SCALE or not 0 < (strength or 0) < 1:
        return
    imported.note(
        f"Near it: phases: [{{until: {1 - (strength or 0):.3g}}}, {{scale: {scale:g}}}], which enlarges the guess at "
        "that level where A1111 enlarges the finished picture."
    )


def _tell(imported: Imported, pairs: dict[str, str]) -> None:
    """Note what makes the same settings another picture here."""
    rng = pairs.get("RNG", "GPU")
    if rng != "CPU":
        imported.tell_noise_of(rng)
    two_passes = any(key.startswith("Hires") for key in pairs) or bool(_size(pairs.get("First pass size")))
    if "Denoising strength" in pairs and not two_passes:
        _started(imported, number(pairs["Denoising strength"]))
    hires = [key for key in pairs if key.startswith("Hires")]
    if two_passes:
        imported.note("The second pass (hires fix) is left out; `size` is that of the first pass.")
        _tell_hires(imported, pairs)
    if number(pairs.get("Variation seed strength")):
        imported.note("A variation seed was mixed in, which has no equal here (`walk` goes between two seeds).")
    skip = whole(pairs.get("Clip skip")) or 1
    if skip > 1:
        imported.values["clip_skip"] = skip
    distilled = number(pairs.get("Distilled CFG Scale"))
    if distilled is not None and imported.values.get("cfg", 1.0) == 1:
        imported.values["cfg"] = distilled
        imported.note(
            f"The distilled guidance {distilled:g} that the model hears is the cfg here (there: CFG scale 1)."
        )
    if whole(pairs.get("ENSD")):
        imported.note("ENSD shifts the seed of the noise within steps; it has no equal here.")
    if pairs.get("Sampler") == "DDIM" and "Version" in pairs:
        imported.note("A1111's DDIM evaluates one step fewer than it says.")
    others = [key for key in pairs if key not in READ and key not in hires]
    if others:
        imported.note(f"Left out, for want of an equal: {', '.join(others)[:300]}.")
