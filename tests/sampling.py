"""`sample_batch` with the batch's fields as keywords, as tests have them."""

from denoisecli.diffusion.batch import Batch
from denoisecli.diffusion.batch import sample_batch as sample_a_batch


def sample_batch(model, *, on_step=None, outputs=False, take_up=None, **batch):
    return sample_a_batch(model, Batch(**batch), on_step=on_step, outputs=outputs, take_up=take_up)
