"""A1111's texts as found in the wild: grammar, names of samplers, and a note for what has no equal here."""

import pytest

from denoisecli.interop.a1111.read import parse, read

# A comment on AUTOMATIC1111/stable-diffusion-webui pull request 15333
LIGHTNING = (
    "Steps: 8, Sampler: Euler, Schedule type: SGM Uniform, CFG scale: 1, Seed: 0, Size: 896x1152, "
    "Model hash: 43f0501ac4, Model: sdxl_lightning_8step, Clip skip: 2, RNG: CPU, "
    "SGM noise multiplier: True, Version: v1.8.0-238-g31306ce6"
)
SHORT = "Steps: 20, Sampler: {}, CFG scale: 7, Seed: 1, Size: 512x512, RNG: CPU"


@pytest.mark.parametrize(
    ("text", "prompt", "negative", "pairs"),
    [
        pytest.param("a\nb\nNegative prompt: c\nd\nSteps: 1, Seed: 2, CFG scale: 3", "a\nb", "c\nd", 3, id="lines"),
        pytest.param("Steps: 1, Seed: 2, CFG scale: 3", "", "", 3, id="no prompt"),
        pytest.param("a cat, tail: long", "a cat, tail: long", "", 0, id="prompt alone"),
        pytest.param('a\nSteps: 1, Model: "x, y: z", Seed: 2', "a", "", 3, id="quoted"),
        pytest.param('a\nSteps: 1, Model: "bro"ken, Seed: 2', "a", "", 3, id="quotes inside"),
        pytest.param("Negative prompt: n\nSteps: 1, Seed: 2, CFG scale: 3", "", "n", 3, id="negative alone"),
        pytest.param("a\r\nNegative prompt: b\r\nSteps: 1, Seed: 2, CFG scale: 3", "a", "b", 3, id="windows lines"),
    ],
)
def test_grammar(text, prompt, negative, pairs):
    found = parse(text)
    assert (found[0], found[1], len(found[2])) == (prompt, negative, pairs)


@pytest.mark.parametrize(
    ("name", "key", "spacing"),
    [
        ("Euler a", "euler_a", "linspace"),
        ("DPM++ 2M Karras", "dpmpp_2m_karras", None),  # before 1.9
        ("DPM++ 2M", "dpmpp_2m", "linspace"),
        ("DPM++ 2M, Schedule type: Karras", "dpmpp_2m_karras", None),
        ("DPM++ 2M, Schedule type: Automatic", "dpmpp_2m_karras", None),
        ("DPM++ 2M, Schedule type: Uniform", "dpmpp_2m", "linspace"),
        ("Euler, Schedule type: SGM Uniform", "euler", "trailing"),
        ("Euler, Schedule type: DDIM", "euler", "leading"),
        ("DPM++ 2M SDE Karras", "dpmpp_2m_sde_karras", None),
        ("DDIM, Schedule type: Automatic", "ddim", None),
        ("DDIM, Schedule type: Karras", "ddim", None),  # which A1111 writes, though it has no effect
        ("PLMS", "pndm", None),
        ("UniPC", "unipc", None),
        ("LCM", "lcm", None),
    ],
)
def test_sampler(name, key, spacing):
    found = read("a\n" + SHORT.format(name))
    assert (found.values["sampler"], found.values.get("spacing")) == (key, spacing)
    assert found.notes == []


@pytest.mark.parametrize(
    ("name", "key", "note"),
    [
        ("DPM++ 2S a", None, 'sampler "DPM++ 2S a" has no equal'),
        ("DPM adaptive", None, 'sampler "DPM adaptive" has no equal'),
        ("Euler, Schedule type: Align Your Steps", "euler", 'no schedule "Align Your Steps"'),
        ("DPM++ 2M SDE, Schedule type: Automatic", "dpmpp_2m_sde", 'no schedule "Exponential"'),
    ],
)
def test_sampler_without_an_equal_is_told(name, key, note):
    found = read("a\n" + SHORT.format(name))
    assert found.values.get("sampler") == key
    assert len(found.notes) == 1
    assert note in found.notes[0]


def test_real_line():
    found = read("a road\nNegative prompt: cars\n" + LIGHTNING)
    assert found.values == {
        "prompt": "a road", "negative_prompt": "cars", "steps": 8, "cfg": 1.0, "seeds": [0], "size": [896, 1152],
        "sampler": "euler", "spacing": "trailing", "clip_skip": 2,
    }  # fmt: skip
    assert found.elsewhere == {"model": "sdxl_lightning_8step"}
    assert [note.split()[0] for note in found.notes] == ["The", "Left"]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        (
            "Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent",
            "Near it: phases: [{until: 0.5}, {scale: 2}], which enlarges the guess",
        ),
        ("Denoising strength: 0.5, Mask blur: 4", "made from another picture (img2img)"),
        ("Variation seed: 3, Variation seed strength: 0.2", "A variation seed was mixed in"),
        ("ENSD: 31337", "ENSD shifts the seed"),
        ("Face restoration: CodeFormer, Tiling: True", "Left out, for want of an equal: Face restoration, Tiling"),
    ],
)
def test_what_has_no_equal_is_told(more, note):
    assert any(note in found for found in read(f"a\n{SHORT.format('Euler')}, {more}").notes)


def test_noise_of_the_gpu_is_told():
    assert "drawn on the GPU there" in read("a\nSteps: 1, Seed: 2, CFG scale: 3").notes[0]
    assert "drawn on the NV there" in read("a\nSteps: 1, Seed: 2, CFG scale: 3, RNG: NV").notes[0]


@pytest.mark.parametrize(
    ("prompt", "left", "loras"),
    [
        ("a cat <lora:ink:0.8>", "a cat", [("ink", 0.8, None)]),
        ("<lora:ink:0.8:0.5> a cat<lora:b-2>", "a cat", [("ink", 0.5, 0.8), ("b-2", 1.0, None)]),
        ("<lora:../../etc/passwd:1> x", "x", [("passwd", 1.0, None)]),
        ("<lora:ink:te=0.5:unet=-1.5> x", "x", [("ink", -1.5, 0.5)]),
        ("<lora:ink:.5> x", "x", [("ink", 0.5, None)]),
        ("<lora:ink:+.5> x", "x", [("ink", 0.5, None)]),
        ("<lora:ink:5e-1> x", "x", [("ink", 0.5, None)]),
        ("<lora:ink:1.> x", "x", [("ink", 1.0, None)]),
        ("<lora:ink:-1> x", "x", [("ink", -1.0, None)]),
        ("<lora:ink:unet=0.9> x", "x", [("ink", 0.9, 1.0)]),
        ('<lora:"ink style":0.7> x', "x", [("ink style", 0.7, None)]),
        ("a <lora cat>", "a <lora cat>", []),
    ],
)
def test_lora_tags(prompt, left, loras):
    found = read(f"{prompt}\n{SHORT.format('Euler')}")
    assert found.values["prompt"] == left
    told = [(lora["file"], lora["scale"], lora.get("text_scale")) for lora in found.elsewhere.get("loras", [])]
    assert told == loras


@pytest.mark.parametrize(
    "prompt", ["(a cat:1.2)", "((a cat))", "a [cat]", "a BREAK b", "a cat (tom)", "a, " * 50 + "b"]
)
def test_what_is_more_than_words_is_read_as_a1111_reads_it(prompt):
    found = read(f"{prompt}\n{SHORT.format('Euler')}")
    assert (found.values["prompt"], found.values["prompt_syntax"], found.notes) == (prompt, "a1111", [])


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        (r"a cat \(tom:1\)", "a cat (tom:1)"),
        (r"\[a\] \\ b\c", r"[a] \ b\c"),
        ("smile :D", "smile :D"),
        ("breakfast and andalusia", "breakfast and andalusia"),
    ],
)
def test_marks_that_are_none(prompt, plain):
    found = read(f"{prompt}\n{SHORT.format('Euler')}")
    assert (found.values["prompt"], found.notes) == (plain, [])


@pytest.mark.parametrize(
    ("prompt", "negative", "told"), [("a AND b", "", True), ("a BREAK b", "", False), ("a b", "c AND d", False)]
)
def test_parts_that_were_guided_apart_are_told(prompt, negative, told):
    found = read(f"{prompt}\nNegative prompt: {negative}\nSteps: 20, Seed: 1, Size: 64x64")
    assert any("parts around AND" in note for note in found.notes) == told
