"""Rows of a guided batch that need no evaluation of their own. A tap on the denoiser; no pipeline loop is copied.

A guided batch has 2n rows: the n unconditional ones, then the n conditional ones. Two kinds of row are known from
others. In the first step, samples of one starting noise have equal inputs, so equal outputs, whatever their scales.
In every step, a sample of scale 1 mixes to uncond + 1 · (cond − uncond) = cond, whatever its unconditional half
would say; its conditional output stands in for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Sources = list[int]
"""For each row of the batch, the row whose output it takes: itself where it is evaluated."""

ROW_AXES = {"encoder_hidden_states_llama3": 1}
"""Arguments of denoisers whose rows are not on the first axis: HiDream's text has its encoder's layers before them."""


def row_sources(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], scales: Sequence[float], *, same_start: bool
) -> Sources | None:
    """Return where each row's output comes from, or None where the batch is not two halves of one length.

    scales: this step's, one for each sample. same_start: whether equal rows are to be looked for.
    """
    n = len(scales)
    wanted = [
        args[0] if args else kwargs.get("hidden_states", kwargs.get("sample")),
        kwargs.get("encoder_hidden_states"),
    ]
    if not all(isinstance(rows, torch.Tensor) and len(rows) == 2 * n for rows in wanted):
        return None
    inputs = list(_tensors((args, kwargs), 2 * n)) if same_start else []
    if same_start and any(scale != 1 for scale in scales):
        return [_first_equal(inputs, row) for row in range(2 * n)]
    cond = list(range(n, 2 * n))
    if same_start:
        cond = [_first_equal(inputs, row, n) for row in cond]
    return [cond[i] if scale == 1 else i for i, scale in enumerate(scales)] + cond


def _first_equal(inputs: Sequence[Any], row: int, start: int = 0) -> int:
    """Return the first row from `start` whose inputs are those of `row`, bit for bit."""
    return next(r for r in range(start, row + 1) if all(torch.equal(rows[r], rows[row]) for rows in inputs))


def _tensors(value: Any, length: int, axis: int = 0) -> Iterator[torch.Tensor]:
    """Yield every tensor in `value` that has `length` rows, its rows first."""
    if isinstance(value, torch.Tensor):
        if value.ndim > axis and value.shape[axis] == length:
            yield value.movedim(axis, 0)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _tensors(part, length, ROW_AXES.get(name, 0))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part, length, axis)


def evaluate(
    original: Callable[..., Any], sources: Sources | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Call the denoiser with the rows that are their own sources, and spread its output over all rows."""
    if sources is None or len(set(sources)) == len(sources):
        return original(*args, **kwargs)
    run = sorted(set(sources))
    place = [run.index(source) for source in sources]
    chosen = rows_of(kwargs, run, len(sources))
    return rows_of(original(*rows_of(args, run, len(sources)), **chosen), place, len(run))


def rows_of(value: Any, chosen: list[int], length: int, axis: int = 0) -> Any:
    """Return `value` with the rows `chosen` of every tensor in it that has `length` rows."""
    if isinstance(value, torch.Tensor):
        held = value.ndim > axis and value.shape[axis] == length
        return value[(slice(None),) * axis + (chosen,)] if held else value
    if isinstance(value, dict):
        parts = {name: rows_of(part, chosen, length, ROW_AXES.get(name, 0)) for name, part in value.items()}
        return parts if type(value) is dict else type(value)(**parts)
    if isinstance(value, (list, tuple)):
        return type(value)(rows_of(part, chosen, length, axis) for part in value)
    return value
