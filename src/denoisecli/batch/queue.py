"""The work list: which runs are to be made, and what became of each in the order of the product."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from denoisecli.config.base import LabConfig
from denoisecli.errors import ConfigError, DenoiseError

from .messages import Message, Outcome, Pack, Run, Settled
from .packing import packed
from .place import Place
from .variations import Product


class Engine(Protocol):
    """What makes runs: processes here, or actors on a cluster."""

    def run(self, packs: Iterator[Pack]) -> Iterator[Message]:
        """Make the runs of all packs; yield what is told of them, in any order."""


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count` of the runs, counted from 1: neighbours stay together, so that they can be packed."""

    index: int = 1
    count: int = 1

    def span(self, total: int) -> tuple[int, int]:
        """Return the numbers of its runs as (first, behind the last)."""
        return (self.index - 1) * total // self.count, self.index * total // self.count


@dataclass
class Schedule:
    """All runs of a batch. `ready` holds what is settled until everything before it is."""

    products: Sequence[Product]
    place: Place
    shard: Shard = field(default_factory=Shard)
    retry_failed: bool = False
    ready: dict[int, Outcome] = field(default_factory=dict)

    def __len__(self) -> int:
        first, behind = self.shard.span(sum(map(len, self.products)))
        return behind - first

    def configs(self) -> Iterator[tuple[int, str, LabConfig | ConfigError] | None]:
        """Yield number, label and config of this shard's runs; None where one has to be waited for (`stream`)."""
        first, behind = self.shard.span(sum(map(len, self.products)))
        before = 0
        for product in self.products:
            start = max(first - before, 0)
            found = product.between(start, min(behind - before, len(product)))
            for number, (label, config) in enumerate(found, before + start):
                yield number, label, config
            before += len(product)

    def config_of(self, number: int) -> str:
        """Return which config a run is of, as file or file:line; "" where there is but one."""
        if len(self.products) < 2:
            return ""
        files = [product.name(line=False) for product in self.products]
        ends = accumulate(map(len, self.products))
        at = next(place for place, behind in enumerate(ends) if number < behind)
        return self.products[at].name(line=files.count(files[at]) > 1)

    def looked_at(self) -> Iterator[Run | Outcome | None]:
        """Yield every run to be made, and the outcome of what is settled without a worker, in their order."""
        seen: dict[str, bytes] = {}
        places: dict[str, Place] = {}
        for one in self.configs():
            if one is None:
                yield None
                continue
            lab = "" if isinstance(one[2], ConfigError) else one[2].lab
            if lab and lab not in places:
                places[lab] = self.place.surveyed({lab})
            found = self._looked_at(places.get(lab, self.place), *one)
            yield _once(found, seen) if isinstance(found, Run) else found

    def todo(self) -> Iterator[Run | None]:
        """Yield the runs to be made; what is settled without a worker goes to `ready`."""
        for found in self.looked_at():
            if isinstance(found, Outcome):
                self.ready[found.number] = found
            else:
                yield found

    def _looked_at(self, place: Place, number: int, label: str, config: LabConfig | ConfigError) -> Run | Outcome:
        if isinstance(config, ConfigError):
            return Outcome(number, label, None, "failed", config.message, config.hint)
        path = None
        try:
            plan = place.plan(config, label)
            path = place.name(plan)
            if self.retry_failed and not place.failed(plan):
                return Outcome(number, label, path, "skipped")
            if place.done(plan):
                return Outcome(number, label, path, "done")
        except DenoiseError as error:
            return Outcome(number, label, path, "failed", error.message, error.hint)
        return Run(number, label, plan.config, path)

    def run(self, engine: Engine, samples: int) -> Iterator[Message]:
        """Make all runs; yield outcomes in the order of the product, the rest as it comes."""
        expected = self.shard.span(sum(map(len, self.products)))[0]
        for message in engine.run(packed(self.todo(), samples)):
            if isinstance(message, Outcome):
                self.ready[message.number] = message
                yield Settled(message.number, message.worker, message.state == "made")
            else:
                yield message
            while expected in self.ready:
                yield self.ready.pop(expected)
                expected += 1
        for number in sorted(self.ready):
            yield self.ready.pop(number)


def _once(run: Run, seen: dict[str, bytes]) -> Run | Outcome:
    """Return the run, or why it is not made: 3 and 3.0 are one run, and 8 digits of hash may meet by chance."""
    digest = hashlib.sha256(run.config.model_dump_json().encode()).digest()[:8]
    name = f"{run.config.lab} {run.path[-8:]}"  # its hash: what varies is in the name too, however it is written
    if name not in seen:
        seen[name] = digest
        return run
    if seen[name] == digest:
        return Outcome(run.number, run.label, run.path, "skipped")
    error = f"{run.path} is, by chance, also the name of another run of this batch."
    return Outcome(run.number, run.label, None, "failed", error, "Make this one by itself, with -o.")
