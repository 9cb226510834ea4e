"""The samplers by name: which diffusers scheduler each is, and what other tools call it.

Importing this table costs nothing: it names classes, it does not import them. Every row keeps the noise schedule of
the model's own scheduler config and changes the solver alone; Karras rows choose their levels over all of it.

Sources of the names: diffusers' "Schedulers" overview, A1111's `sd_samplers_kdiffusion.py`, ComfyUI's
`comfy/samplers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Sampler:
    """One row of the table.

    `options` override the model's scheduler config; `a1111` is (Sampler, Schedule type), `comfyui` is (sampler_name,
    scheduler), the schedule None where it is that of the timesteps' spacing; None where the tool has no counterpart.
    `stochastic`: fresh noise is drawn in every step, from the seed of each sample.
    """

    name: str
    label: str
    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    a1111: tuple[str, str | None] | None = None
    comfyui: tuple[str, str | None] | None = None
    stochastic: bool = False
    evaluations: Literal[1, 2] = 1
    """Denoiser evaluations per step; a second-order single-step solver needs two."""
    flow: bool = False
    """True for flow-matching models (Stable Diffusion 3, FLUX), False for noise-predicting ones."""
    trigflow: bool = False
    """True for consistency models on TrigFlow (SANA-Sprint)."""

    @property
    def process(self) -> str:
        """What the model has to have learned: noise, flow or trigflow."""
        return "trigflow" if self.trigflow else "flow" if self.flow else "noise"

    @property
    def spaced(self) -> bool:
        """Whether the spacing of the timesteps decides its levels; Karras levels are spread over all of them."""
        return self.process == "noise" and not self.options.get("use_karras_sigmas")


_PLAIN = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
_KARRAS = _PLAIN | {"use_karras_sigmas": True, "timestep_spacing": "linspace"}
_DPMPP = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint", "use_lu_lambdas": False}
_SDE = _DPMPP | {"algorithm_type": "sde-dpmsolver++"}
_FLOW = {"prediction_type": "flow_prediction"}
_FLOW_EULER = "FlowMatchEulerDiscreteScheduler"
_DPM = "DPMSolverMultistepScheduler"
_EULER = "EulerDiscreteScheduler"
_UNIPC = "UniPCMultistepScheduler"
_BH1 = {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}  # it has no level 0

_ROWS = (
    Sampler("ddim", "DDIM", "DDIMScheduler", a1111=("DDIM", "Automatic"), comfyui=("ddim", None)),
    Sampler("ddpm", "DDPM", "DDPMScheduler", comfyui=("ddpm", None), stochastic=True),
    Sampler("pndm", "PNDM", "PNDMScheduler", {"skip_prk_steps": True}, a1111=("PLMS", "Automatic")),
    Sampler("euler", "Euler", _EULER, _PLAIN, ("Euler", None), ("euler", None)),
    Sampler("euler_karras", "Euler Karras", _EULER, _KARRAS, ("Euler", "Karras"), ("euler", "karras")),
    Sampler(
        "euler_a",
        "Euler a",
        "EulerAncestralDiscreteScheduler",
        a1111=("Euler a", None),
        comfyui=("euler_ancestral", None),
        stochastic=True,
    ),
    Sampler("heun", "Heun", "HeunDiscreteScheduler", _PLAIN, ("Heun", None), ("heun", None), evaluations=2),
    Sampler("lms", "LMS", "LMSDiscreteScheduler", _PLAIN, ("LMS", None), ("lms", None)),
    Sampler("kdpm2", "DPM2", "KDPM2DiscreteScheduler", _PLAIN, ("DPM2", None), ("dpm_2", None), evaluations=2),
    Sampler(
        "kdpm2_a",
        "DPM2 a",
        "KDPM2AncestralDiscreteScheduler",
        _PLAIN,
        ("DPM2 a", None),
        ("dpm_2_ancestral", None),
        stochastic=True,
        evaluations=2,
    ),
    Sampler("dpmpp_2m", "DPM++ 2M", _DPM, _DPMPP | _PLAIN, ("DPM++ 2M", None), ("dpmpp_2m", None)),
    Sampler(
        "dpmpp_2m_karras", "DPM++ 2M Karras", _DPM, _DPMPP | _KARRAS, ("DPM++ 2M", "Karras"), ("dpmpp_2m", "karras")
    ),
    Sampler(
        "dpmpp_2m_sde",
        "DPM++ 2M SDE",
        _DPM,
        _SDE | _PLAIN,
        ("DPM++ 2M SDE", None),
        ("dpmpp_2m_sde", None),
        stochastic=True,
    ),
    Sampler(
        "dpmpp_2m_sde_karras",
        "DPM++ 2M SDE Karras",
        _DPM,
        _SDE | _KARRAS,
        ("DPM++ 2M SDE", "Karras"),
        ("dpmpp_2m_sde", "karras"),
        stochastic=True,
    ),
    Sampler("unipc", "UniPC", _UNIPC, _PLAIN, ("UniPC", "Automatic"), ("uni_pc_bh2", None)),
    Sampler("unipc_bh1", "UniPC bh1", _UNIPC, _PLAIN | _BH1, comfyui=("uni_pc", None)),
    Sampler("deis", "DEIS", "DEISMultistepScheduler", _PLAIN, comfyui=("deis", None)),
    Sampler("lcm", "LCM", "LCMScheduler", a1111=("LCM", "Automatic"), comfyui=("lcm", "sgm_uniform"), stochastic=True),
    Sampler("flow_euler", "Euler (flow)", _FLOW_EULER, comfyui=("euler", "simple"), flow=True),
    Sampler(
        "flow_heun",
        "Heun (flow)",
        "FlowMatchHeunDiscreteScheduler",
        comfyui=("heun", "simple"),
        evaluations=2,
        flow=True,
    ),
    Sampler("flow_dpmpp_2m", "DPM++ 2M (flow)", _DPM, _DPMPP | _FLOW, comfyui=("dpmpp_2m", "simple"), flow=True),
    Sampler("flow_unipc", "UniPC (flow)", _UNIPC, _FLOW, comfyui=("uni_pc", "simple"), flow=True),
    Sampler("flow_deis", "DEIS (flow)", "DEISMultistepScheduler", _FLOW, comfyui=("deis", "simple"), flow=True),
    Sampler("flow_lcm", "LCM (flow)", "FlowMatchLCMScheduler", comfyui=("lcm", "simple"), stochastic=True, flow=True),
    Sampler("scm", "SCM (TrigFlow)", "SCMScheduler", stochastic=True, trigflow=True),
)

COMFYUI_SCHEDULERS = ("normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta",
                      "linear_quadratic", "kl_optimal")  # fmt: skip
"""ComfyUI's schedulers, by its own names. Source: its comfy/samplers.py."""
SCHEDULES = [f"comfy-{name}" for name in COMFYUI_SCHEDULERS]

SAMPLERS: Mapping[str, Sampler] = MappingProxyType({row.name: row for row in _ROWS})
