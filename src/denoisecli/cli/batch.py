"""`denoisecli batch`: the product of configs and variations, many runs at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from denoisecli.errors import DenoiseError, UsageError
from denoisecli.safe_text import brief, count_in

from . import options
from .app import EXIT_INTERRUPTED, app, told
from .labs import AFTER as AFTER_LABS
from .labs import FLAGS as LAB_FLAGS
from .labs import declare, quick

if TYPE_CHECKING:
    from denoisecli.batch.place import Place
    from denoisecli.batch.processes import Stop
    from denoisecli.batch.queue import Engine, Schedule

    from .batch_report import Look
    from .console import Console

EXIT_SOME_FAILED = 3
MOST_UNASKED = 10_000
SOME_OF_THEM = "--dry-run --shard 1/1000 shows some of them."
SOME = 100  # runs that an estimate looks at

Vary = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Option("--vary", metavar="KEY=VALUES", help="seed=0-99, cfg=3,7.5 or prompt=@prompts.txt; repeatable."),
]
Jobs = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--jobs", "-j", metavar="N", min=1, max=1024,
        help="Worker processes [default: 1; with --ray as many as the cluster holds].",
    ),
]  # fmt: skip
PackSize = Annotated[
    int,
    typer.Option("--pack", metavar="N", min=1, max=1024, help="Samples of like runs in one batch; 1: each run alone."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Only the runs that failed before.")]
ShardText = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--shard", metavar="I/N", help="Only part I of N of the runs, counted from 1."),
]
Ray = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--ray", metavar="local|ADDRESS", help="Make them on a Ray cluster, whose nodes all see the runs folder or URL."
    ),
]
RayCpus = Annotated[float, typer.Option("--ray-cpus", metavar="X", min=0, help="Cores that each worker asks Ray for.")]
RayGpus = Annotated[float, typer.Option("--ray-gpus", metavar="X", min=0, help="GPUs, also parts of one: 0.5.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help=f"Go ahead with, or list, more than {MOST_UNASKED:,} runs.")]


OWN = {
    "vary": Vary, "jobs": Jobs, "pack": PackSize, "shard": ShardText, "retry_failed": RetryFailed, "ray": Ray,
    "ray_cpus": RayCpus, "ray_gpus": RayGpus,
}  # fmt: skip
BEFORE = {"configs": options.Configs} | OWN | {"set_": options.Set, "runs_dir": options.RunsPlace}
AFTER = AFTER_LABS | {"yes": Yes}
DEFAULTS = {"pack": 16, "retry_failed": False, "ray_cpus": 1, "ray_gpus": 0} | dict.fromkeys(AFTER, False)
Keys = tuple[list[str], list[str], dict[str, Any]]
"""What holds for every config: --set, --vary, and the values of named flags."""

FLAGS = {key: option for flags in LAB_FLAGS.values() for key, option in flags.items() if key != "seed"}
"""Those of all labs: each counts for the configs whose lab has it. `--seed` is one flag, whatever the key."""


def batch(*, set_: list[str] | None, vary: list[str] | None, configs: list[str] | None, **values: Any) -> None:
    """Many runs: every combination of what varies, sampled together where that is possible."""
    from denoisecli.batch.lock import held
    from denoisecli.batch.processes import Stop
    from denoisecli.batch.queue import Schedule

    from .batch_table import look
    from .console import Console

    given = {key: values.pop(key) for key in FLAGS}
    told = SimpleNamespace(**values)
    console = Console.set_up(json=told.json, quiet=told.quiet, verbose=told.verbose)
    place, part = place_at(told.runs_dir, force=told.force), shard_of(told.shard)
    keys = (set_ or [], vary or [], quick(given))
    stop, jobs, samples, total = Stop(), told.jobs, told.pack, None
    if configs == ["-"] and not told.dry_run:
        schedule = stream(place, told.shard, told.retry_failed, keys)
    else:
        schedule = Schedule(products(configs or [], *keys), place, part, told.retry_failed)
        if told.dry_run:
            list_runs(schedule, console, sure=told.yes)
            return
        announce(schedule, console, sure=told.yes)
        total = len(schedule)
        samples = max(1, min(samples, -(-total // (jobs or 1))))
    with held(place.folder, part, place.title), stopped_by_signals(stop), look(console, total) as eyes:
        place.check()
        failed = follow(
            schedule, engine_of(told.ray, told.ray_cpus, told.ray_gpus, jobs, place, stop), eyes, samples, stop
        )
    end(console, stop, failed)


declare(batch, BEFORE | FLAGS | AFTER, DEFAULTS)
EXAMPLE = "Example: denoisecli batch deck.yaml --steps 12 --vary seed=0-9 --vary cfg=3,7.5"
app.command(short_help="Many runs: every combination of what varies.", epilog=EXAMPLE)(batch)


def place_at(text: str | None, *, force: bool) -> Place:
    """Return where the runs go: a folder, or a store behind a URL. Raises UsageError for a password in it."""
    from urllib.parse import urlsplit

    from denoisecli.batch.place import Place
    from denoisecli.batch.remote import RemotePlace

    where = options.folder_or_url(text) if text else None
    if not isinstance(where, str):
        return Place(where, force)
    if urlsplit(where).password is not None:
        hint = "Give it by the environment or the store's own config file."
        raise UsageError("--runs-dir: a password in a URL would be written into every run.", hint)
    if where.startswith("memory:"):
        raise UsageError(f"{where} keeps nothing: runs there are gone with the process.", "Name a folder or a store.")
    return RemotePlace(None, force, where)


def engine_of(address: str | None, cpus: float, gpus: float, jobs: int | None, place: Place, stop: Stop) -> Engine:
    """Return what makes the runs: processes here, or actors on a Ray cluster."""
    if address is None:
        from denoisecli.batch.processes import Workers

        return Workers(jobs or 1, place, stop)
    from denoisecli.batch.ray_engine import RayEngine, Request

    return RayEngine(address, jobs, place, stop, Request(cpus, gpus))


def stream(place: Place, shard: str | None, retry_failed: bool, keys: Keys) -> Schedule:
    """Return the schedule of the configs that come on stdin. Raises UsageError for a part of them."""
    from denoisecli.batch.stream import Stream, arriving

    if shard is not None:
        hint = "Give the configs as a file, or part them where they are written."
        raise UsageError("--shard: how many runs stdin will ask for is not known.", hint)
    texts = arriving(sys.stdin.fileno()) if sys.stdin is not None else iter(())
    return Stream(texts, lambda document: product_of(document, *keys), place, retry_failed=retry_failed)


def announce(schedule: Schedule, console: Console, *, sure: bool) -> None:
    """Say what the whole will take. Raises UsageError for very many runs that nobody is sure of."""
    told = guess(schedule)
    if len(schedule) > MOST_UNASKED and not sure:
        raise UsageError(f"That is a lot: {told}.", f"Add --yes if you mean it. {SOME_OF_THEM}")
    if not console.quiet:
        console.say(told)


def end(console: Console, stop: Stop, failed: int) -> None:
    """Leave with the exit code that tells how it went."""
    code = how_it_went(console, stop, failed)
    if stop.stuck:  # Python would end the threads that still wait for a cluster, and crash in that
        code = told(code)
        sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


def how_it_went(console: Console, stop: Stop, failed: int) -> int:
    """Say why the batch came to an end before its end, and return the exit code."""
    if stop.asked and not stop.why:
        console.report.close()
        console.say("Interrupted. The same command goes on with the runs that are not finished.")
        return EXIT_INTERRUPTED
    if stop.why:
        hint = "No more runs were begun; the same command goes on where this one stopped."
        console.fail(DenoiseError(stop.why, hint))
    return EXIT_SOME_FAILED if failed or stop.why else 0


def list_runs(schedule: Schedule, console: Console, *, sure: bool) -> None:
    """Print every run and whether it is there, then what the rest will take, judged by its first hundred.

    Raises UsageError for very many runs that nobody is sure of.
    """
    from denoisecli.batch.estimate import estimate
    from denoisecli.batch.messages import Run
    from denoisecli.runs.folder import RUNS_DIR

    from .batch_report import words

    if len(schedule) > MOST_UNASKED and not sure:
        raise UsageError(f"That is a long list: {len(schedule):,} runs.", f"Add --yes to see all. {SOME_OF_THEM}")
    left, first = 0, []
    for found in (one for one in schedule.looked_at() if one is not None):
        named = ": ".join(filter(None, (schedule.config_of(found.number), found.label)))
        if isinstance(found, Run):
            left += 1
            first += [found.config] if left <= SOME else []
            console.planned_run(found.path, f"would be made: {named}" if named else "would be made")
        elif found.state == "done":
            console.planned_run(str(found.path), f"is done already: {named}" if named else "is done already")
        elif found.state == "failed":
            console.say(": ".join(filter(None, ("cannot be made", named, f"{found.error} {found.hint}".rstrip()))))
    if not console.quiet:
        console.say(words(estimate(first, left, schedule.place.root or RUNS_DIR, by_machine=True)))


def guess(schedule: Schedule) -> str:
    """Return in words what the whole schedule will take, judged by its first hundred runs."""
    from itertools import islice

    from denoisecli.batch.estimate import estimate
    from denoisecli.batch.messages import Run
    from denoisecli.runs.folder import RUNS_DIR

    from .batch_report import words

    first = [found.config for found in islice(schedule.looked_at(), SOME) if isinstance(found, Run)]
    return words(estimate(first, len(schedule), schedule.place.root or RUNS_DIR, by_machine=True))


def products(
    configs: list[str], settings: list[str], variations: list[str], given: dict[str, Any] | None = None
) -> list[Any]:
    """Return the checked product of each config document; none at all: that of the built-in deck.

    given: values of named flags by config key; None where a flag was not given.
    """
    from denoisecli.batch.variations import taken_by
    from denoisecli.config.load import documents_in

    documents = [document for name in configs for document in documents_in(name)] if configs else [None]
    found = [product_of(document, settings, variations, given or {}) for document in documents]
    for key in [key for key, value in (given or {}).items() if value is not None]:
        if not any(taken_by(one.lab, key) for one in found):
            labs = ", ".join(dict.fromkeys(one.lab_name for one in found))
            name = "seed" if key == "seeds" else key.rpartition("__")[2]
            raise UsageError(f"--{name}: no config here takes it; they are for {labs}.")
    return found


def product_of(document: Any, settings: list[str], variations: list[str], given: dict[str, Any]) -> Any:
    """Return the checked product of one config document; flags that its lab does not have are left out."""
    from denoisecli.batch.variations import product

    return product(document, settings, variations, {key: value for key, value in given.items() if value is not None})


def shard_of(text: str | None) -> Any:
    """Read `2/8`. Raises UsageError."""
    from denoisecli.batch.queue import Shard

    if text is None:
        return Shard()
    index, count = (count_in(part) for part in text.partition("/")[::2])
    if index is None or count is None or not 1 <= index <= count:
        raise UsageError(f"--shard {brief(text)}: want I/N with I from 1 to N, such as 1/8.")
    return Shard(index, count)


def follow(schedule: Schedule, engine: Engine, eyes: Look, samples: int, stop: Stop) -> int:
    """Make all runs, show what is told of them, and return how many failed. A full disk ends it: all would fail."""
    from denoisecli.batch.messages import Outcome

    failed = 0
    for message in schedule.run(engine, samples):
        eyes.show(message)
        if isinstance(message, Outcome) and message.state == "failed":
            failed += 1
            if message.fatal:
                stop.asked, stop.why = max(stop.asked, 1), message.error
    return failed


@contextlib.contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Count what would interrupt us: the first lets the runs in hand be finished, the second ends them."""

    def ask(_number: int, _frame: object) -> None:
        stop.asked += 1

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names if signal.getsignal(getattr(signal, name)) != signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
