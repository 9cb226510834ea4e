"""What varies from run to run: `--vary KEY=VALUES`, and the product of several.

VALUES is a range (`seed=0-99`), a list (`cfg=3,7.5`), a file of one value a line (`prompt=@prompts.txt`), or a YAML
list where values hold commas or are lists (`prompt=["a castle, at dusk", "a mill"]`, `scales=[[1, 3], [1]]`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from denoisecli.config.base import LabConfig
from denoisecli.config.fields import did_you_mean
from denoisecli.config.load import Layer, build, environment, field_at, flags, keys_at, lab_named, read_setting
from denoisecli.config.yaml import MAX_BYTES, Document, read_value
from denoisecli.errors import ConfigError
from denoisecli.registry import CONFIGS
from denoisecli.safe_files import at_home, read_file, why

MOST_VALUES = 1_000_000  # of a range
MOST_LISTED = 100_000  # that are not a range: each is read and checked before anything begins, half a minute of work
MOST_RUNS = 1_000_000_000
LONG = 1000  # of a range
_RANGE = re.compile(r"(\d{1,20})-(\d{1,20})")


@dataclass(frozen=True)
class Variation:
    """One key of the config and the values it takes, each with the words that say where it was written."""

    key: tuple[str, ...]
    values: Sequence[Any]
    where: str

    @property
    def name(self) -> str:
        """The key as it is written."""
        return ".".join(self.key)

    def layer(self, value: Any) -> Layer:
        """Return the setting of one value."""
        nested: Any = value
        for part in reversed(self.key):
            nested = {part: nested}
        return Layer(nested, {self.key: self.where}, self.where)


def variation(lab: type[LabConfig], text: str) -> Variation:
    """Read `KEY=VALUES` for the configs of one lab. Raises ConfigError on an unknown key, and on no values."""
    name, equals, values = text.partition("=")
    where = f"--vary {text if len(text) <= 60 else text[:57] + '...'}"
    if not equals or not name.strip():
        raise ConfigError(f"{where}: want KEY=VALUES, such as --vary seed=0-99 or --vary cfg=3,7.5")
    key = _known(lab, tuple(name.strip().split(".")), where)
    found = _values(lab, key, values.strip(), where)
    if not found:
        raise ConfigError(f"{where}: there are no values in it")
    twice = _twice(found)
    if twice is not None:
        raise ConfigError(f"{where}: {twice!r} is there twice, which would be the same run")
    return Variation(key, found, where)


def _known(lab: type[LabConfig], key: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the key if the lab has it; `seed` is also the name of one of `seeds`."""
    if key == ("seed",) and "seed" not in lab.model_fields and "seeds" in lab.model_fields:
        return ("seeds",)
    if key == ("lab",):
        raise ConfigError(f"{where}: the lab cannot vary; name a config of each lab instead")
    for depth, part in enumerate(key):
        if field_at(lab, key[: depth + 1]) is None:
            known = keys_at(lab, key[:depth])
            guess = did_you_mean(part, known) or (f" (known here: {', '.join(known)})" if known else "")
            raise ConfigError(f"{where}: {'.'.join(key[: depth + 1])}: unknown key{guess}")
    return key


def _values(lab: type[LabConfig], key: tuple[str, ...], text: str, where: str) -> Sequence[Any]:
    if text.startswith("@"):
        lines = _lines(Path(text[1:]), where)
        _bound(len(lines), MOST_LISTED, where)
        return [read_setting(lab, key, line, f"{where} (line {n})") for n, line in lines]
    if text.startswith("["):
        values = read_value(text, where)
        return values if isinstance(values, list) else [values]
    if (match := _RANGE.fullmatch(text)) and not _is_text(lab, key):
        return _whole_numbers(int(match[1]), int(match[2]), where)
    parts = [part.strip() for part in text.split(",")]
    if _is_seeds(lab, key):
        ranges = [_seeds(part, where) for part in parts]
        _bound(sum(map(len, ranges)), MOST_LISTED, where)
        return [seed for seeds in ranges for seed in seeds]
    return [read_setting(lab, key, part, where) for part in parts if part]


def _lines(path: Path, where: str) -> list[tuple[int, str]]:
    """Return the lines of the file that are not blank, with their numbers."""
    try:
        raw = read_file(at_home(path), 100 * MAX_BYTES, handed=True)
    except OSError as error:
        said = f"cannot be read: {error.strerror}" if isinstance(error, FileNotFoundError) else why(error)
        raise ConfigError(f"{where}: {path} {said}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: {path} is not text in UTF-8") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{where}: {path} is empty; write one value a line into it")
    return lines


def _whole_numbers(first: int, last: int, where: str) -> Sequence[int]:
    if last < first:
        raise ConfigError(f"{where}: the range runs backwards; write {last}-{first}")
    _bound(last - first + 1, MOST_VALUES, where)
    return range(first, last + 1)


def _bound(count: int, most: int, where: str) -> None:
    """Raise ConfigError for more values than a variation may have."""
    if count > most:
        raise ConfigError(f"{where}: {count:,} values are too many (at most {most:,})")


def _seeds(part: str, where: str) -> Sequence[Any]:
    """Return the seeds of `7` or `0-99`, one a run; what is neither is the config's to refuse."""
    if match := _RANGE.fullmatch(part):
        return _whole_numbers(int(match[1]), int(match[2]), where)
    return [read_value(part, where)] if part else []


def _is_seeds(lab: type[LabConfig], key: tuple[str, ...]) -> bool:
    return key == ("seeds",) and "seeds" in lab.model_fields


def _is_text(lab: type[LabConfig], key: tuple[str, ...]) -> bool:
    field = field_at(lab, key)
    return field is not None and field.annotation is str


def _twice(values: Sequence[Any]) -> Any:
    if isinstance(values, range):
        return None
    seen = set()
    for value in values:
        if repr(value) in seen:
            return value
        seen.add(repr(value))
    return None


@dataclass(frozen=True)
class Product:
    """The configs of a batch: each base config under every combination of its variations, the last varying fastest."""

    lab: type[LabConfig]
    base: Sequence[Layer]
    overrides: Sequence[Layer]
    variations: Sequence[Variation]

    def __len__(self) -> int:
        return math.prod(len(variation.values) for variation in self.variations)

    @property
    def lab_name(self) -> str:
        """The lab, as in config files."""
        return str(self.lab.model_fields["lab"].default)

    def name(self, *, line: bool) -> str:
        """Return the file that the base config stands in, and on request the line; "" for the built-in one."""
        written = self.base[0].source, *self.base[0].where.values()
        return written[min(line, len(written) - 1)]

    def check(self) -> None:
        """Build every value once, beside the first of the others. Raises ConfigError on one that is refused.

        Of a long range only the ends are built: whole numbers are mostly refused for being too small or too large.
        """
        if math.prod(len(variation.values) for variation in self.variations) > MOST_RUNS:
            raise ConfigError(f"--vary: that makes more than {MOST_RUNS:,} runs; vary fewer keys, or fewer values")
        first = [variation.values[0] for variation in self.variations]
        self.config(first)
        for place, variation in enumerate(self.variations):
            values = variation.values
            long = isinstance(values, range) and len(values) > LONG
            for value in values[-1:] if long else values[1:]:
                self.config([*first[:place], value, *first[place + 1 :]])

    def config(self, values: Sequence[Any]) -> LabConfig:
        """Return the config under these values, one for each variation."""
        varied = [variation.layer(value) for variation, value in zip(self.variations, values, strict=True)]
        return build(self.lab, [*self.base, environment(self.lab), *self.overrides, *varied])

    def combination(self, number: int) -> list[Any]:
        """Return the values of combination `number`, one for each variation, the last varying fastest."""
        values: list[Any] = []
        for variation in reversed(self.variations):
            number, at = divmod(number, len(variation.values))
            values.insert(0, variation.values[at])
        return values

    def between(self, first: int, behind: int) -> Iterator[tuple[str, LabConfig | ConfigError]]:
        """Yield a label and the config of each combination from number `first` to before `behind`.

        One that contradicts itself comes as its ConfigError.
        """
        for number in range(max(first, 0), min(behind, len(self))):
            values = self.combination(number)
            label = " ".join(f"{v.name}={value}" for v, value in zip(self.variations, values, strict=True))
            try:
                yield label, self.config(values)
            except ConfigError as error:
                yield label, error


def taken_by(lab: type[LabConfig], key: str) -> str | None:
    """Return the lab's own key for that of a named flag: the key itself, `seed` for `seeds`; None where it has none."""
    own = "seed" if key == "seeds" and "seeds" not in lab.model_fields else key
    return own if own.partition("__")[0] in lab.model_fields else None


def _flags_for(lab: type[LabConfig], named: Mapping[str, Any]) -> Layer:
    """Return the settings of those flags that the lab has. Raises ConfigError for several seeds where it takes one."""
    taken = {own: value for key, value in named.items() if (own := taken_by(lab, key)) is not None}
    if isinstance(seeds := taken.get("seed"), list):
        if len(seeds) > 1:
            raise ConfigError(f"--seed: {lab.model_fields['lab'].default} takes one seed; vary it: --vary seed=...")
        taken["seed"] = read_value(seeds[0], "--seed")
    return flags(**taken)


def product(
    document: Document | None,
    settings: Sequence[str],
    variations: Sequence[str],
    named: Mapping[str, Any] = MappingProxyType({}),
) -> Product:
    """Return the checked product of one config document (none: the built-in deck) and `--vary` texts.

    named: values of named flags by config key; those that the lab does not have are left out.
    """
    from denoisecli.config.load import settings as settings_layer

    base = Layer(dict(document.data), document.where, document.source) if document else Layer({})
    lab = lab_named(base) if document else CONFIGS["sample"]
    varied = [variation(lab, text) for text in variations]
    for place, one in enumerate(varied):
        if any(one.key == other.key for other in varied[:place]):
            raise ConfigError(f"{one.where}: {one.name} varies already; give all its values in one --vary")
    found = Product(lab, [base], [_flags_for(lab, named), settings_layer(lab, settings)], varied)
    found.check()
    return found
