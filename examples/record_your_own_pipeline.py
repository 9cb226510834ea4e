"""Record a diffusers pipeline of your own: nothing in its call changes.

Run it: python examples/record_your_own_pipeline.py [diffusers folder] [output folder]
"""

import os
import sys

import torch
from diffusers import StableDiffusionPipeline

import denoisecli
from denoisecli.diffusion.models import POCKET

model = sys.argv[1] if len(sys.argv) > 1 else str(POCKET)
folder = sys.argv[2] if len(sys.argv) > 2 else "recorded"
steps = int(os.environ.get("STEPS", "20"))

pipe = StableDiffusionPipeline.from_pretrained(model)
with denoisecli.record(pipe) as trace:
    pipe(
        "a windmill on a grassy hill at dawn, clear sky, field of flowers, watercolor",
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(7),
    )

print("latents at every state:", trace.x_t.shape)
print("the model's guess at every step:", trace.x0.shape)
print("what guidance added:", abs(trace.eps_cond - trace.eps_uncond).mean())
trace.save(folder)
fixed = denoisecli.load(folder).record["runs"][0]["committed_at"]
print(f"layout was fixed at state {fixed['layout']} of {trace.steps}, detail at state {fixed['detail']}")
