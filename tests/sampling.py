"""`sample_batch` with the batch's fields as keywords, as tests have them."""

from denoisecli.diffusion.batch import Batch
from denoisecli.diffusion.batch import sample_batch as sample_a_batch


def sample_batch(model, *, on_step=None, outputs=False, take_up=None, **batch):
    return sample_a_batch(model, Batch(**batch), on_step=on_step, outputs=outputs, take_up=take_up)


OTHER_SHAPE = 1e-4
"""How far latents of batches of other shapes may be apart: those take other kernels, which is 2e-5 on Zen 2."""
