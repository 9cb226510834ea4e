import numpy as np
import pytest

pytest.importorskip("cv2")

import torch
from training.captions import GRAMMAR, KEY, UNTOLD, Attributes
from training.probe import Probe, _mirrored, accuracy, labels

SIDE = list(GRAMMAR).index("side")


def test_a_mirrored_picture_has_its_landmark_on_the_other_side():
    truth = labels([Attributes(side="left"), Attributes(side="right"), KEY])
    turned = _mirrored(truth)
    assert turned[:, SIDE].tolist() == [1, 0, UNTOLD]
    assert torch.equal(turned[:, :SIDE], truth[:, :SIDE])


def test_what_a_scene_does_not_tell_is_not_judged():
    torch.manual_seed(0)
    small = np.zeros((2, 96, 96, 3), np.uint8)
    plain = accuracy(Probe(), small, [KEY, KEY])
    assert "colour" not in plain
    assert "side" not in plain
    told = accuracy(Probe(), small, [KEY, Attributes(side="left")])
    assert told["side"] in (0.0, 1.0)
