"""Taps: what passes through a pipeline's methods and modules is heard, and goes on untouched.

A tap stands in for a method of one object, under the method's own signature, which pipelines read to decide what to
pass. `tapped` puts it on and takes it off again. A copy that a pipeline makes of a tapped object (LTX-2 and Kandinsky
6 deep-copy their scheduler for the sound) has none: it would be the original's.
"""

from __future__ import annotations

import copy
import functools
import inspect
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

_ABSENT = object()


@contextmanager
def all_on(taps: Iterable[AbstractContextManager[Any]]) -> Iterator[None]:
    """Put several taps on together, and take all of them off again, the last one first."""
    with ExitStack() as stack:
        for tap in taps:
            stack.enter_context(tap)
        yield


@contextmanager
def tapped(owner: Any, name: str, tap: Callable[..., Any]) -> Iterator[None]:
    """Put `tap(original, *args, **kwargs)` in the place of a method, and take it off again."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return tap(original, *args, **kwargs)

    with _in_place(owner, name, wrapper):
        yield


@contextmanager
def called(owner: Any, tap: Callable[..., Any]) -> Iterator[None]:
    """Put `tap(original, *args, **kwargs)` in the place of calling `owner` itself, and take it off again.

    Python looks that up on the class; other objects of it are called as ever.
    """
    kind = type(owner)
    original, own, on = kind.__call__, "__call__" in vars(kind), [owner]

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = functools.partial(original, self)
        return tap(bound, *args, **kwargs) if any(self is one for one in on) else bound(*args, **kwargs)

    try:
        kind.__call__ = wrapper
        yield
    finally:
        on.clear()  # another thread's tap on the same class may have come between, and puts this one back
        if own:
            kind.__call__ = original
        else:
            del kind.__call__


def arguments_of(call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what something is called with, by name. Raises TypeError where it does not fit its signature."""
    signature = inspect.signature(call)
    found = signature.bind(*args, **kwargs).arguments
    rest = [name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD and name in found]
    return {name: value for name, value in found.items() if name not in rest} | (found[rest[0]] if rest else {})


@contextmanager
def copies_untapped(owner: Any) -> Iterator[None]:
    """Let `copy.deepcopy(owner)` make a copy without any taps."""

    def deepcopy(memo: dict[int, Any]) -> Any:
        memo[id(owner)] = twin = object.__new__(type(owner))
        own = {name: _under(value) for name, value in vars(owner).items()}
        vars(twin).update({name: copy.deepcopy(value, memo) for name, value in own.items() if value is not _ABSENT})
        return twin

    with _in_place(owner, "__deepcopy__", deepcopy):
        yield


@contextmanager
def heard(module: Any, hear: Callable[[dict[str, Any], Any], None]) -> Iterator[None]:
    """Call `hear(kwargs, output)` with everything that the module is told by name and returns."""
    hook = module.register_forward_hook(lambda _module, _args, kwargs, out: hear(kwargs, out), with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _in_place(owner: Any, name: str, wrapper: Any) -> Iterator[None]:
    before = vars(owner).get(name, _ABSENT)
    wrapper.stands_for = before
    try:
        setattr(owner, name, wrapper)
        yield
    finally:
        if before is _ABSENT:
            vars(owner).pop(name, None)
        else:
            setattr(owner, name, before)


def _under(value: Any) -> Any:
    """Return what was in a tap's place before it, under all the taps that lie on each other."""
    while hasattr(value, "stands_for"):
        value = value.stands_for
    return value


def step_signature(scheduler: Any) -> inspect.Signature:
    """Return what `step` takes, by its class where a bare (*args, **kwargs) stands in its place."""
    told = inspect.signature(scheduler.step)
    if {"model_output", "timestep", "sample"} <= told.parameters.keys():
        return told
    return inspect.signature(functools.partial(type(scheduler).step, scheduler))


def with_output(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a step with another model output, the others as they came."""
    if "model_output" in kwargs:
        return args, kwargs | {"model_output": output}
    place = list(signature.parameters).index("model_output")
    return (*args[:place], output, *args[place + 1 :]), kwargs
