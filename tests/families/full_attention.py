"""Every full matrix of attention of a tiny pipeline, beside torch's kernel: what maps are set against."""

import math

import torch

from tests.families.folders import FOLDERS


def small(name):
    """Return a family's pipeline, at the smallest size that it takes."""
    pipe = FOLDERS[name]()
    pipe.set_progress_bar_config(disable=True)
    if name == "hidream":
        pipe.default_sample_size = 32
    if name == "kandinsky5":
        pipe.resolutions = [(64, 64)]
    return pipe


class FullAttention:
    """Hears every call of the kernel in the denoiser's layers: `keep` gets its scores in double precision."""

    def __init__(self, pipe, patch):
        self.layer = None
        kernel = torch.nn.functional.scaled_dot_product_attention
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", self.full(kernel))
        layers = [(name, module) for name, module in pipe.transformer.named_modules() if hasattr(module, "processor")]
        self.hooks = [module.register_forward_pre_hook(self.enter(name)) for name, module in layers]

    def keep(self, layer, scores, values):
        """Take a call: scores (rows, heads, queries, keys) before the softmax, values (rows, heads, keys, width)."""
        raise NotImplementedError

    def enter(self, name):
        def hook(*_):
            self.layer = name

        return hook

    def full(self, kernel):
        def call(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
            if self.layer is not None:
                q, k, v = (
                    one.double().repeat_interleave(query.shape[1] // one.shape[1], 1) for one in (query, key, value)
                )
                scores = q @ k.mT
                scores *= q.shape[-1] ** -0.5 if scale is None else scale  # in place: it may be 300 MB
                if attn_mask is not None and attn_mask.dtype == torch.bool:
                    scores.masked_fill_(~attn_mask, -math.inf)
                elif attn_mask is not None:
                    scores += attn_mask
                self.keep(self.layer, scores, v)
                self.layer = None
            return kernel(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)

        return call
