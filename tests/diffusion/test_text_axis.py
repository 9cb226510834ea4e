"""Where a joint layer has the picture and the text, and which of an encoder's tokens reach the picture."""

from types import SimpleNamespace

import pytest

from denoisecli.diffusion.text_axis import AXES, Part


@pytest.mark.parametrize(
    ("family", "layer", "told", "lengths", "picture", "text"),
    [
        pytest.param("flux", "transformer_blocks.0.attn", 16, (23, 23), (7, 23), (0, 7), id="text first"),
        pytest.param("flux", "single_transformer_blocks.0.attn", 23, (23, 23), (7, 23), (0, 7), id="one stream"),
        pytest.param("sd3", "transformer_blocks.0.attn", 16, (23, 23), (0, 16), (16, 23), id="picture first"),
        pytest.param("z-image", "layers.0.attention", 64, (64, 64), (0, 16), (32, 64), id="the picture filled up"),
        pytest.param("ernie-image", "layers.0.self_attention", 2, (23, 23), (0, 16), (16, 23), id="rows behind tokens"),
        pytest.param("flux", "transformer_2.transformer_blocks.0.attn", 16, (23, 23), (7, 23), (0, 7), id="two"),
        pytest.param("lumina2", "context_refiner.0.attn", 23, (23, 23), None, None, id="text alone"),
        pytest.param("sd3", "transformer_blocks.0.attn2", 16, (16, 16), None, None, id="the picture alone"),
        pytest.param("flux", "transformer_blocks.0.attn", 16, (16, 7), None, None, id="no joint layer"),
    ],
)  # fmt: skip
def test_where_picture_and_text_stand(family, layer, told, lengths, picture, text):
    found = AXES[family].spans(layer, told, 16, lengths, None)
    assert (found[0], found[1]) == (slice(*picture), slice(*text)) if picture else found is None


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        pytest.param(Part(), [0, 1, 2, 3, 4, 5], id="all"),
        pytest.param(Part(keeps="valid"), [1, 2, 3, 4], id="without padding"),
        pytest.param(Part(keeps="valid", cut=True), [3, 4], id="without padding and template"),
        pytest.param(Part(cut=True), [2, 3, 4, 5], id="without template"),
        pytest.param(Part(keeps="ends"), [0, 4, 5], id="the first and the last"),
    ],
)  # fmt: skip
def test_which_tokens_of_an_encoder_reach_the_picture(part, kept):
    def call(max_sequence_length=3):
        return max_sequence_length

    pipe = SimpleNamespace(prompt_template_encode_start_idx=2, __call__=call)
    assert part.kept(pipe, [0, 1, 1, 1, 1, 0]) == kept
