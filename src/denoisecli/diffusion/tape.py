"""The tape of a recording: what passes at the taps of one pipeline, kept step by step as the pipeline lays it out.

`scheduler.step` is tapped: its arguments are the guided output, t and the latents before the step; its result holds
the latents after it and, in many schedulers, the predicted x0. Hooks on the denoisers hear every evaluation before
guidance mixes them. Taps on the pipeline's own preparations hear the picture's size, so that packed latents can be
laid out (`latent_layout`). `transcript` makes a trace of it.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput

from denoisecli.errors import SamplingError, UsageError
from denoisecli.process.x0 import predicted_x0
from denoisecli.scale import to_unit_variance

from .branches import Branch, Output, branches_of, mixture
from .clock import Clock, first
from .denoiser import denoiser_of, denoisers_of, predictions
from .guidance import StepScales, guided, rescaled, scale_at
from .latent_layout import Hints, layout_of
from .recording import scheduler_of
from .shared_rows import evaluate, row_sources
from .step_end import heard_behind_steps
from .tape_run import Run, Step, as_array, kept, texts_of_rows
from .taps import arguments_of, called, copies_untapped, heard, step_signature, tapped, with_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .take_up import TakeUp
    from .word_maps import Listener

TEXTS = ("prompt", "negative_prompt")
EXTRA_ARGUMENTS = {"skip_layers": "skip-layer", "spatio_temporal_guidance_blocks": "skip-layer"}
"""Arguments of a denoiser that say what an evaluation beside the two halves is for."""


class Tape:
    """Listens at the taps of one pipeline and keeps what passes."""

    def __init__(
        self,
        pipe: Any,
        on_step: Callable[[int, int, NDArray[np.float32]], None] | None,
        scales: Sequence[float | StepScales] | None,
        guidance_rescale: float,
        seeds: Sequence[int] | None,
        stop_on_nan: bool,
    ) -> None:
        self.pipe, self.scheduler = pipe, scheduler_of(pipe)
        self.denoisers = denoisers_of(pipe)
        self.on_step, self.stop_on_nan = on_step, stop_on_nan
        self.scales, self.guidance_rescale, self.seeds = scales, guidance_rescale, seeds
        self.thrifty = any(isinstance(scale, StepScales) for scale in scales or ())
        self.signature = step_signature(self.scheduler)
        self.clock = Clock(self.scheduler)
        self.hints = Hints()
        self.told: dict[str, Any] = {}
        self.runs = [Run()]
        self.generator: Any = None
        self.pending: list[tuple[str, str | None, dict[str, Any], Any]] = []
        self.contexts: list[str] = []
        self.steps = 0
        self.on_state: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None
        self.on_halves: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None
        self.take_up: TakeUp | None = None
        self.keeps_outputs = False
        self.listener: Listener | None = None

    def taps(self) -> Iterator[AbstractContextManager[None]]:
        """Yield every tap: they come on together and off together."""
        yield called(self.pipe, self.call)
        yield from self._taps_of_what_is_known()
        for name in ("check_inputs", "prepare_latents"):
            if callable(getattr(self.pipe, name, None)):
                yield tapped(self.pipe, name, self.prepare)
        if callable(getattr(self.pipe, "encode_prompt", None)) and not hasattr(self.pipe, "check_inputs"):
            yield tapped(self.pipe, "encode_prompt", self.encode)
        yield tapped(self.scheduler, "set_timesteps", self.begin)
        yield tapped(self.scheduler, "step", self.step)
        yield copies_untapped(self.scheduler)
        if self.listener is not None:
            yield from self.listener.taps()
        for name, module in self.denoisers.items():
            yield heard(module, lambda told, output, name=name: self.hear(name, told, output))  # type: ignore[misc]
            if callable(getattr(module, "cache_context", None)):
                yield tapped(module, "cache_context", self.named)

    def _taps_of_what_is_known(self) -> Iterator[AbstractContextManager[None]]:
        """Yield those that keep the pipeline from working out what is there already."""
        if self.take_up is not None:
            for module in self.denoisers.values():
                yield tapped(module, "forward", functools.partial(self.evaluate_left, id(module)))
            if self.take_up.enters is not None and not self.take_up.begin:
                yield tapped(self.pipe, "prepare_latents", self.start)
        elif self.thrifty:
            yield tapped(denoiser_of(self.pipe), "forward", self.evaluate)

    def call(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on the pipeline's call: it is told the generators, and offers to tell what lies behind each step."""
        if self._aside:
            return original(*args, **kwargs)
        with suppress(TypeError):  # what does not fit its signature is the pipeline's own to say
            told = arguments_of(original, args, kwargs)
            self.generator = told.get("generator")
            if self.take_up is None:
                args, kwargs = (), heard_behind_steps(self.pipe, original, told, self.behind)
        return original(*args, **kwargs)

    def behind(self, latents: torch.Tensor) -> None:
        """Note what the pipeline goes on with behind a step, where that is the scheduler's latents still."""
        final = self.runs[-1].final
        if final is not None and final.shape == latents.shape:
            self.runs[-1].final = kept(latents)

    def prepare(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on the pipeline's own preparations: they are told the picture's size and the prompts."""
        if self._aside:
            return original(*args, **kwargs)
        with suppress(TypeError):  # what does not fit its signature is the pipeline's own to say
            told = inspect.signature(original).bind(*args, **kwargs).arguments
            self.hints.hear(told)
            self._hear_texts({name: told[name] for name in TEXTS if name in told}, begins=True)
        return original(*args, **kwargs)

    def encode(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on encode_prompt, where the pipeline checks nothing before: a second prompt is the negative one."""
        if self._aside:
            return original(*args, **kwargs)
        with suppress(TypeError):
            told = inspect.signature(original).bind(*args, **kwargs).arguments
            texts = {name: told[name] for name in TEXTS if name in told}
            if "prompt" in self.told and "prompt" in texts:
                texts["negative_prompt"] = texts.pop("prompt")
            self._hear_texts(texts, begins=not self.told)
        return original(*args, **kwargs)

    @property
    def _aside(self) -> bool:
        """Whether the pipeline is called for a concept alone, beside the run."""
        return self.listener is not None and self.listener.aside

    def _hear_texts(self, texts: dict[str, Any], *, begins: bool) -> None:
        self.told |= texts
        if self.listener is not None and texts:
            self.listener.hear_texts(self.told, begins=begins)

    def begin(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on set_timesteps: a new call of the pipeline begins."""
        if self.runs[-1].calls:
            self.runs.append(Run())
        self.pending = []
        return original(*args, **kwargs)

    def start(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on prepare_latents where a run begins with latents of its own. A flow's first level is noise alone."""
        found = original(*args, **kwargs)
        if self.take_up is None or self.clock.kind == "flow":
            return found
        latents, *others = found if isinstance(found, tuple) else (found,)
        layout = layout_of(self.pipe, latents, self.hints, self.clock.data_scale)
        latents = self.take_up.entered(self.clock, latents, layout)
        return (latents, *others) if others else latents

    @contextmanager
    def named(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Tap on cache_context: pipelines name the branch that they evaluate next."""
        self.contexts.append(str(args[0] if args else kwargs.get("name")))
        try:
            with original(*args, **kwargs) as found:
                yield found
        finally:
            self.contexts.pop()

    def evaluate(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on the denoiser's forward: run only the rows whose output is not known from another row."""
        scales = [scale_at(scale, self._step_now()) for scale in self.scales or ()]
        sources = row_sources(args, kwargs, scales, same_start=not self.runs[-1].opened)
        result = evaluate(original, sources, args, kwargs)
        if self.listener is not None and sources is not None:
            self.listener.spread(sources)
        return result

    def evaluate_left(self, denoiser: int, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on a denoiser's forward where a run is taken up: run what is not known from that run."""
        if self.take_up is None:
            return original(*args, **kwargs)
        thrifty = self.thrifty and all(self.take_up.left(self._step_now()))
        asked = functools.partial(self.evaluate, original) if thrifty else original
        return self.take_up.evaluate(denoiser, asked, self._step_now(), args, kwargs)

    def passes_over(self) -> bool:
        """Whether no row of the next evaluation is the model's own to answer: the step is passed over, or replayed."""
        return self.take_up is not None and not any(self.take_up.left(self._step_now()))

    def _step_now(self) -> int:
        """Return the number of the step that the next evaluation belongs to, counted from 0."""
        opened = self.runs[-1].opened
        return opened if self.clock.opens else opened - 1

    def hear(self, name: str, told: dict[str, Any], output: Any) -> None:
        """Tap on a denoiser: its raw output, whatever it is for. What it was told is looked at, not kept."""
        self.hints.hear_denoiser(told)
        extra = next((what for word, what in EXTRA_ARGUMENTS.items() if told.get(word) is not None), None)
        told_scale = told.get("guidance") is not None or told.get("timestep_cond") is not None
        context = self.contexts[-1] if self.contexts else None
        read = self.listener.take() if self.listener is not None and not self.passes_over() else None
        self.pending.append((name, context, {"extra": extra, "embedded": told_scale, "heard": read}, output))

    def _outputs(self, x_t: torch.Tensor) -> list[Output]:
        """Return what the denoisers returned since the last step, where it is a prediction for x_t."""
        found = []
        for name, context, notes, output in self.pending:
            rows = predictions(output, x_t)
            if rows is not None:
                first_part = output[0] if isinstance(output, tuple) and output else output
                listed = isinstance(first_part, list)
                found.append(Output(rows.detach(), name, context, notes["extra"], listed, notes["heard"]))
        return found

    def step(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on scheduler.step: note what goes in, let the scheduler step, note what comes out.

        What came by position goes on by position, what came by name by name: the step may be somebody's wrapper.
        """
        given = self.signature.bind(*args, **kwargs).arguments | kwargs
        x_t, run, opens = given["sample"], self.runs[-1], self.clock.opens
        if not run.calls:
            run.layout = layout_of(self.pipe, x_t, self.hints, self.clock.data_scale)
        if self.take_up is not None and run.calls not in range(*self.take_up.span(self.clock)):
            return self._pass_over(self.take_up, run, given)
        outputs = self._outputs(x_t)
        kind = type(self.pipe).__name__
        branches = branches_of(outputs, len(x_t), perturbed=_perturbed_alone(self.pipe), pipeline=kind)
        if not run.steps:
            run.embedded = any(notes["embedded"] for _, _, notes, _ in self.pending)
        self.pending = []
        output = given["model_output"]
        output, branches = self._output(run, branches, given["model_output"])
        if output is not given["model_output"]:
            given["model_output"] = output
            args, kwargs = with_output(self.signature, args, kwargs, output)
        noted = self.take_up is None or run.opened - (not opens) >= self.take_up.noted
        run.opened += opens
        if opens and noted:
            self._open(run, given, branches, outputs[0].denoiser if outputs else None)
        elif noted:
            run.extra.append({"step": len(run.steps) - 1, "timestep": first(given["timestep"])})
            run.extra_x_t.append(kept(x_t))
        result = original(*args, **kwargs)
        if self.take_up is not None and self.take_up.repainting is not None:
            rows, call = self.take_up.rows, run.calls - 1
            result = self.take_up.repainting.put_back(result, self.clock.scheduler, call, run.layout, rows)
        run.told = first(given["timestep"])
        run.final = kept(result[0] if isinstance(result, tuple) else result.prev_sample)
        if self.stop_on_nan and not bool(torch.isfinite(run.final).all()):
            raise _not_a_number(run.opened, self.steps)
        if opens and noted:
            self._close(run, result)
        return result

    def _output(self, run: Run, branches: list[Branch], own: torch.Tensor) -> tuple[torch.Tensor, list[Branch]]:
        """Return what the scheduler is to get, and the branches that all of it was made of: none if it was replayed."""
        output, step = own, self._step_now()
        if self.scales is not None:
            output = self._mixed(branches, own, step)
        if self.take_up is not None:
            output = self.take_up.output(run.calls, step, output, run.layout)
            branches = branches if all(self.take_up.left(step)) else []
        run.calls += 1
        if self.keeps_outputs:
            run.outputs.append(kept(output))
        return output, branches

    def _pass_over(self, take_up: TakeUp, run: Run, given: dict[str, Any]) -> Any:
        """Leave out a step outside the stretch; the last one before it hands over the latents to enter with."""
        x_t = given["sample"]
        first_call, last_call = take_up.span(self.clock)
        if run.calls == last_call:
            run.end = self.clock.now(given["timestep"])
        if self.keeps_outputs:
            run.outputs.append(take_up.told(run.calls, x_t, run.layout))
        run.calls, self.pending = run.calls + 1, []
        if run.calls == first_call:
            run.opened = take_up.begin
            x_t = take_up.entered(self.clock, x_t, run.layout)
        # some pipelines take a guess beside the latents, whose last is made by a step that is run
        return (x_t, x_t) if given.get("return_dict") is False else SchedulerOutput(prev_sample=x_t)

    def _open(self, run: Run, given: dict[str, Any], branches: list[Branch], denoiser: str | None) -> None:
        """Note the state that a step starts from. The level is read now: stepping moves the scheduler on."""
        x_t = given["sample"]
        if not run.steps:
            self.steps = len(self.clock.levels.timesteps) - 1
            run.seeds, run.told_scale = self._seeds(given), _told_scale(self.pipe)
            run.texts, self.told = {name: texts_of_rows(self.told.get(name), len(x_t)) for name in TEXTS}, {}
        level = self.clock.now(given["timestep"])
        if self.listener is not None:
            self._map(self.listener, run, branches, given)
        run.steps.append(Step(level, kept(x_t), branches, kept(given["model_output"]), denoiser))

    def _map(self, listener: Listener, run: Run, branches: list[Branch], given: dict[str, Any]) -> None:
        """Keep the maps of the words that a step read. Which half is which is proven in a run's first step."""
        if not run.steps:
            made = mixture(branches, given["model_output"])
            run.exchanged = made is not None and made.exchanged
        x_t = given["sample"]
        listener.tokens = x_t.shape[1] if x_t.ndim == 3 else None
        size = run.layout.unpack(x_t).shape[2:]
        run.maps.append(listener.reduced(branches, size, self.steps, first=not run.steps, exchanged=run.exchanged))

    def _close(self, run: Run, result: Any) -> None:
        """Note the step's guess: the scheduler's own where it gives one, else by the formula of the family."""
        step = run.steps[-1]
        own = list(result if isinstance(result, tuple) else result.values())[1:] if self.clock.gives_x0 else []
        if own:
            step.x0 = kept(own[0])
        else:
            x_t, output = step.x_t.float(), step.output.float()
            step.x0 = self.clock.guess(x_t, output, step.level)
        if self.on_step is None and self.on_state is None and self.on_halves is None:
            return
        x0 = as_array(run.layout.unpack(step.x0))
        if self.on_step is not None:
            self.on_step(run.opened, self.steps, x0)
        if self.on_state is not None:
            state, sigma = as_array(run.layout.unpack(step.x_t)), np.array([step.level.sigma])
            self.on_state(to_unit_variance(state[:, None], sigma, self.clock.kind, state.ndim - 1)[:, 0], x0)
        if self.on_halves is not None and (made := step.mixed()) is not None:
            self.on_halves(*(self._guess_of(run, step, half) for half in (made.half_without, made.cond)))

    def _guess_of(self, run: Run, step: Step, half: torch.Tensor) -> NDArray[np.float32]:
        """Return the guess that one half alone makes, as whoever reads the trace finds it: by the same numbers."""
        x_t, output = (as_array(run.layout.unpack(one)) for one in (step.x_t, half))
        guess: NDArray[np.float32] = predicted_x0(self.clock.kind, self.clock.prediction, x_t, output, step.level)
        return guess

    def _mixed(self, branches: list[Branch], own: torch.Tensor, step: int) -> torch.Tensor:
        """Return uncond + scale · (cond − uncond), each sample with its own scale, in the pipeline's arithmetic.

        own: what the pipeline mixed itself, by which the halves and the sign are told.
        """
        scales = [scale_at(scale, step) for scale in self.scales or ()]
        made = mixture(branches, own)
        if made is None or made.uncond is None:
            hint = "Call it with a guidance_scale above 1; the recorder's scales replace the number."
            raise UsageError("The pipeline ran without its unconditional half, so there is nothing to mix.", hint)
        if len(scales) != len(own):
            raise UsageError(f"There are {len(scales)} guidance scales for a batch of {len(own)}.")
        samples = zip(made.uncond.to(own.device), made.cond.to(own.device), scales, strict=True)
        return torch.stack([rescaled(guided(u, c, scale), c, self.guidance_rescale) for u, c, scale in samples])

    def _seeds(self, given: dict[str, Any]) -> list[int | None]:
        """Return the seeds as told, else those of the generators that the pipeline was called with."""
        n, generator = len(given["sample"]), given.get("generator") or self.generator
        if self.seeds is not None:
            before = sum(len(run.seeds) for run in self.runs)
            return [*(int(seed) for seed in self.seeds[before:]), *[None] * n][:n]
        each = [generator] if isinstance(generator, torch.Generator) else generator or []
        return [one.initial_seed() for one in each] if len(each) == n else [None] * n


def _perturbed_alone(pipe: Any) -> bool:
    perturbs = bool(getattr(pipe, "do_perturbed_attention_guidance", False))
    return perturbs and not getattr(pipe, "do_classifier_free_guidance", True)


def _told_scale(pipe: Any) -> float | None:
    told = getattr(pipe, "guidance_scale", None)
    return float(told) if isinstance(told, (int, float)) else None


def _not_a_number(step: int, steps: int) -> SamplingError:
    return SamplingError(
        f"The latents stopped being numbers (NaN or infinite) in step {step} of {steps}.",
        "Half precision overflows in some models: try dtype float32 or bfloat16.",
    )
