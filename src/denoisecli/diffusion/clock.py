"""What a diffusers scheduler says about its noise levels: one clock for ᾱ schedules, σ schedules, flows and angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.errors import UsageError
from denoisecli.process.x0 import Level, Levels, predicted_x0

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from denoisecli.scale import ScheduleKind

# Schedulers whose step returns (x_prev, x0); for the others x0 comes from the formula of the family.
GIVES_X0 = {
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DPMSolverSDEScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "SCMScheduler",
}


TOWARDS_DATA = {"MiniMaxH3Scheduler"}
"""Schedulers of flows whose model predicts x0 − ε, though their σ counts from noise to picture as elsewhere."""
ENDS_CLEAN = {"DDPMParallelScheduler", "DDPMScheduler", "LCMScheduler"}
"""Schedulers whose last step leaves no noise, wherever it begins; that of others goes down by one stride of t."""


def trained_alpha_bars(scheduler: Any) -> NDArray[np.float64]:
    """Return ᾱ of all timesteps of training, (T,), wherever the scheduler's table lies."""
    table: NDArray[np.float64] = scheduler.alphas_cumprod.cpu().double().numpy()  # `add_noise` moves it to a card
    return table


class Clock:
    """Reads one scheduler: the scale of its x_t, what its model predicts, and the level of every state.

    kind: "vp", "ve" or "flow", the scale that the scheduler keeps x_t on.
    prediction: what the model was trained to predict: epsilon, v_prediction, sample, flow_prediction, flow_reversed or
        trigflow.
    """

    def __init__(self, scheduler: Any) -> None:
        _check_says_levels(scheduler)
        self.scheduler = scheduler
        self.kind: ScheduleKind = _kind(scheduler)
        self.inverted = bool(scheduler.config.get("invert_sigmas"))  # Mochi counts from noise, σ' = 1 − σ, t' = T − t
        reversed_ = self.inverted or type(scheduler).__name__ in TOWARDS_DATA
        flow = "flow_reversed" if reversed_ else "flow_prediction"
        found = str(scheduler.config.get("prediction_type", flow if self.kind == "flow" else "epsilon"))
        # schedulers of flows alone keep what stands in a config of another, and never look at it
        self.prediction = flow if self.kind == "flow" and not _converts(scheduler) else found

    @property
    def gives_x0(self) -> bool:
        """Whether `step` returns the predicted x0 beside the next latents."""
        return type(self.scheduler).__name__ in GIVES_X0

    @property
    def data_scale(self) -> float:
        """What the scheduler multiplies unit-variance latents by: σ_data of TrigFlow, else 1."""
        return float(self.scheduler.config.get("sigma_data", 1.0)) if self.prediction == "trigflow" else 1.0

    @property
    def opens(self) -> bool:
        """Whether the next evaluation opens a step, rather than refining the one that is open.

        Second-order samplers (Heun, DPM2) evaluate twice a step; PNDM repeats its second evaluation, or spends four
        on each of the first three steps (Runge-Kutta) where the config asks for that.
        """
        scheduler = self.scheduler
        if hasattr(scheduler, "state_in_first_order"):
            return bool(scheduler.state_in_first_order)
        return _pndm_opens(scheduler, scheduler.counter) if _is_pndm(scheduler) else True

    def now(self, timestep: Any) -> Level:
        """Return the level that the next evaluation sees. Call it before `step`, which moves the scheduler on."""
        t = first(timestep)
        if not _has_sigmas(self.scheduler):
            return self._at(t)
        places = (self.scheduler.step_index, self.scheduler.begin_index)
        index = next((place for place in places if place is not None), None)
        if index is None:
            index = self.scheduler.index_for_timestep(timestep)
        return self._at_sigma(t, float(self.scheduler.sigmas[index]))

    @property
    def last(self) -> Level:
        """Return the level of the result: σ = 0, or what little noise the schedule leaves."""
        scheduler = self.scheduler
        if _has_sigmas(scheduler):
            end = float(scheduler.sigmas[-1])
            return Level.of_sigma(0.0, 1 - end if self.inverted else end, self.kind)
        if not hasattr(scheduler, "alphas_cumprod"):
            return self._at(0.0)
        if type(scheduler).__name__ in ENDS_CLEAN:
            return Level.of_alpha_bar(0.0, 1.0)
        if type(scheduler).__name__ == "TCDScheduler":  # its last step goes to t = 0, wherever it begins
            return Level.of_alpha_bar(0.0, float(scheduler.alphas_cumprod[0]))
        stride = scheduler.config.num_train_timesteps // max(scheduler.num_inference_steps or 1, 1)
        before = int(scheduler.timesteps[-1]) - stride
        final = getattr(scheduler, "final_alpha_cumprod", 1.0)
        return Level.of_alpha_bar(0.0, float(scheduler.alphas_cumprod[before] if before >= 0 else final))

    def after(self, timestep: float) -> Level:
        """Return the level of the result of a run whose last evaluation was told `timestep`.

        Not `last` where the pipeline stopped on the way: SDXL's `denoising_end`, an interrupt.
        """
        told = [float(t) for t in self.scheduler.timesteps]
        if _has_sigmas(self.scheduler):
            place = getattr(self.scheduler, "step_index", None)
        else:
            place = len(told) - told[::-1].index(timestep) if timestep in told else None
        if place is None or place >= len(told):
            return self.last
        if not _has_sigmas(self.scheduler):
            return self._at(told[place])
        return self._at_sigma(told[place], float(self.scheduler.sigmas[place]))

    def guess(self, x_t: Any, output: Any, at: Level) -> Any:
        """Return x0 as the guided output says it, by the scheduler's own formula or that of the family."""
        scheduler, config = self.scheduler, self.scheduler.config
        output = output[:, : x_t.shape[1]]  # a learned variance may stand behind it (DeepFloyd, with DPM++)
        if hasattr(scheduler, "precondition_outputs"):  # EDM: c_skip·x_t + c_out·output (Karras et al. 2022)
            x0 = scheduler.precondition_outputs(x_t, output, at.sigma)
        elif hasattr(scheduler, "get_scalings_for_boundary_condition"):  # Song et al. 2023, arXiv 2303.01469, app. C
            c_skip, c_out = scheduler.get_scalings_for_boundary_condition(at.sigma)
            x0 = c_skip * x_t + c_out * output
            return x0.clamp(-1, 1) if config.get("clip_denoised") else x0
        else:
            x0 = predicted_x0(self.kind, self.prediction, x_t, output, at)
        bounded = config.get("thresholding") and _converts(scheduler) and getattr(scheduler, "predict_x0", True)
        return scheduler._threshold_sample(x0) if bounded else x0  # noqa: SLF001 - Saharia et al. 2022, section 2.3

    @property
    def levels(self) -> Levels:
        """Return the levels of all steps + 1 states. The scheduler's `set_timesteps` has been called."""
        opening = self.openings
        timesteps = [float(self.scheduler.timesteps[i]) for i in opening]
        if _has_sigmas(self.scheduler):
            sigmas = [float(self.scheduler.sigmas[i]) for i in opening]
            rows = [self._at_sigma(t, sigma) for t, sigma in zip(timesteps, sigmas, strict=True)]
        else:
            rows = [self._at(t) for t in timesteps]
        return Levels.stack([*rows, self.last])

    @property
    def spacing(self) -> str | None:
        """Return how the timesteps are spaced: leading, linspace or trailing; None where there is no such way."""
        spacing = self.scheduler.config.get("timestep_spacing")
        return None if spacing is None else str(spacing)

    def _at_sigma(self, t: float, sigma: float) -> Level:
        if self.inverted:
            t, sigma = float(self.scheduler.config.num_train_timesteps) - t, 1 - sigma
        return Level.of_sigma(t, sigma, self.kind)

    def _at(self, t: float) -> Level:
        """Return the level at t of a scheduler without σ: by its ᾱ table, its angle, or its own function of t."""
        if self.prediction == "trigflow":
            return Level.of_angle(t)
        if hasattr(self.scheduler, "alphas_cumprod"):
            return Level.of_alpha_bar(t, float(self.scheduler.alphas_cumprod[int(t)]))
        import torch

        own = self.scheduler._alpha_cumprod(torch.tensor([t]), "cpu")  # noqa: SLF001 - Würstchen's cosine in 0..1
        return Level.of_alpha_bar(t, float(own))

    @property
    def openings(self) -> list[int]:
        """Return the indices, among the scheduler's timesteps, of the evaluations that open a step."""
        every = range(len(self.scheduler.timesteps))
        if _is_pndm(self.scheduler):
            return [i for i in every if _pndm_opens(self.scheduler, i)]
        if not hasattr(self.scheduler, "alphas_cumprod") and not _has_sigmas(self.scheduler):
            return list(every[:-1])  # angles and Würstchen's t come with that of the result behind them
        return list(every[:: self.scheduler.order])


def first(timestep: Any) -> float:
    """Return a timestep as a number; the first one where the pipeline hands one to each sample."""
    return float(timestep.flatten()[0]) if hasattr(timestep, "flatten") else float(timestep)


def _check_says_levels(scheduler: Any) -> None:
    """Raise UsageError for a scheduler that tells no noise levels (iPNDM), or has none (Amused)."""
    told = any(hasattr(scheduler, name) for name in ("sigmas", "alphas_cumprod", "_alpha_cumprod"))
    if not told and scheduler.config.get("prediction_type") != "trigflow":
        raise UsageError(
            f"{type(scheduler).__name__} does not say its noise levels, so its states cannot be recorded.",
            "Take a scheduler with sigmas or alphas_cumprod, such as DPMSolverMultistepScheduler.",
        )


def _kind(scheduler: Any) -> ScheduleKind:
    config = scheduler.config
    if kept := getattr(scheduler, "kept_scale", None):  # see `comfyui_levels`
        return kept  # type: ignore[no-any-return]
    flows = config.get("prediction_type") == "flow_prediction" or config.get("use_flow_sigmas")
    # what starts from unit noise, and says so by saying nothing, is a flow, whatever its name (LTX, MiniMax)
    if flows or (_has_sigmas(scheduler) and not hasattr(scheduler, "init_noise_sigma")):
        return "ve" if (config.get("sigma_max") or 1) > 1 else "flow"  # Cosmos 2 goes from 80 down by a flow's steps
    return "ve" if _has_sigmas(scheduler) and float(getattr(scheduler, "init_noise_sigma", 1)) != 1 else "vp"


def _converts(scheduler: Any) -> bool:
    """Return whether it makes x0 or ε of the model's output by the prediction type (DPM++, UniPC, DEIS, SA-Solver)."""
    return hasattr(scheduler, "convert_model_output")


def _has_sigmas(scheduler: Any) -> bool:
    return hasattr(scheduler, "sigmas")


def _is_pndm(scheduler: Any) -> bool:
    return hasattr(scheduler, "prk_timesteps")


def _pndm_opens(scheduler: Any, counter: int) -> bool:
    runge_kutta = 0 if scheduler.config.skip_prk_steps else len(scheduler.prk_timesteps)
    return counter % 4 == 0 if counter < runge_kutta else counter != 1
