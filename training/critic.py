"""A critic for the decoder's last lap: it learns to tell decoded crops from real ones, the decoder to pass.

A small patch discriminator (Isola et al. 2017, arXiv 1611.07004) with the hinge loss. Its pull on the decoder is
scaled so that, at the last layer, it is `weight` times as strong as the reconstruction's (Esser et al. 2021,
arXiv 2012.09841, equation 7).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def build_critic(width: int = 32) -> nn.Sequential:
    """Crops (n, 3, h, w) in −1..1 to one judgement for each patch of 34 pixels, (n, 1, h / 8, w / 8)."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (width, 2 * width, 4 * width):
        layers += [nn.utils.spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1, 3, 1, 1)).to(memory_format=torch.channels_last)


class Critic:
    """A discriminator and how it learns, beside a decoder that is trained."""

    def __init__(self, weight: float, lr: float, place: torch.device) -> None:
        self.weight = weight
        self.judge = build_critic().to(place)
        self.optimizer = torch.optim.AdamW(self.judge.parameters(), lr=lr, betas=(0.5, 0.95))

    def learn(self, real: Tensor, decoded: Tensor) -> None:
        """One step towards +1 and more for real crops, −1 and less for decoded ones."""
        loss = functional.relu(1 - self.judge(real)).mean() + functional.relu(1 + self.judge(decoded.detach())).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def pull(self, decoded: Tensor, reconstruction: Tensor, last: Tensor) -> Tensor:
        """The loss that makes decoded crops look real. last: weights of the decoder's last layer."""
        loss = -self.judge(decoded).mean()
        (by_reconstruction,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
        (by_critic,) = torch.autograd.grad(loss, last, retain_graph=True)
        return self.weight * loss * (by_reconstruction.norm() / (by_critic.norm() + 1e-6)).clamp(0, 1e4).detach()
