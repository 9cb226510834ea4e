"""From an image to a config: containers, order of the sources, round trips, bad files, nothing let in."""

import contextlib
import json
import time
import zlib

import pytest
from PIL import Image

from denoisecli.config.load import load_configs
from denoisecli.errors import NotRecorded
from denoisecli.interop import own_chunk as own
from denoisecli.interop.png_text import picture_texts
from denoisecli.interop.reader import config_text, import_image
from denoisecli.interop.recipe import shot
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.registry import CONFIGS

from .made import SHA, graph, png, with_comment

INFO = "a cat\nNegative prompt: dogs\nSteps: 9, Sampler: Euler a, CFG scale: 4, Seed: 5, Size: 64x64, RNG: CPU"
INVOKE = {
    "positive_prompt": "a cat", "negative_prompt": "dogs", "seed": 5, "steps": 9, "cfg_scale": 4, "width": 64,
    "height": 64, "scheduler": "euler_a", "rand_device": "cpu", "model": {"name": "dream", "base": "sd-1"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.7}], "generation_mode": "txt2img",
}  # fmt: skip
INVOKE_2 = {
    "model_weights": "stable-diffusion-1.5",
    "image": {"prompt": [{"prompt": "a cat", "weight": 1.0}], "seed": 5, "steps": 9, "cfg_scale": 4, "width": 64,
              "height": 64, "sampler": "k_euler_a"},
}  # fmt: skip
CAT = {"prompt": "a cat", "seeds": (5,), "steps": 9, "cfg": 4.0, "size": (64, 64), "sampler": "euler_a"}
ODD_PROMPTS = [
    "a cat", "", " spaces at both ends ", "two\nlines\n\nand more", "Negative prompt: of what?",
    "Steps: 20, Seed: 3, a: b", 'quotes " and \\ backslashes \\n', "yes", "1e3", "null", "# no comment", "key: value",
    "- item", "{a: [b", "*alias &x !tag", "猫 ünïcode 🎨 \u2028 line", "tab\there", "<lora:mine:0.5> stays",
    "%{x} `rm -rf` $(id)", "a" * 5000, "'single' ''", "@x",
]  # fmt: skip


def config_of(path, tmp_path, lab="sample"):
    """Import the image and load what was written, as `denoisecli LAB -` would."""
    kind = CONFIGS[lab]
    text = config_text(import_image(path, kind), path.name, kind)
    file = tmp_path / "imported.yaml"
    file.write_text(text, encoding="utf-8")
    return load_configs(kind, [str(file)])[0]


@pytest.mark.parametrize("prompt", ODD_PROMPTS, ids=range(len(ODD_PROMPTS)))
def test_our_pictures_come_back_as_they_were(tmp_path, prompt):
    config = SampleConfig(
        prompt=prompt, negative_prompt=prompt[::-1], seeds=[2**50], steps=7, cfg=0.0, sampler="dpmpp_2m_sde_karras",
        size=[64, 128], guidance_rescale=0.25, decode={"finals": "preview"},
    )  # fmt: skip
    texts = picture_texts(config, shot(config, 2**50, 0.0), (64, 128), SHA, "leading")
    assert config_of(png(tmp_path / "x.png", **texts), tmp_path) == config


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda p: png(p / "x.png", parameters=INFO), id="a1111 png"),
        pytest.param(lambda p: with_comment(p / "x.jpg", INFO), id="a1111 jpeg"),
        pytest.param(lambda p: with_comment(p / "x.webp", INFO), id="a1111 webp"),
        pytest.param(lambda p: with_comment(p / "x.jpg", INFO, "utf-16-le"), id="little-endian comment"),
        pytest.param(lambda p: with_comment(p / "x.jpg", INFO, "utf-8", b"ASCII\0\0\0"), id="ascii comment"),
        pytest.param(lambda p: png(p / "x.png", invokeai_metadata=json.dumps(INVOKE)), id="invokeai 3"),
        pytest.param(lambda p: png(p / "x.png", sd_dash_metadata=json.dumps(INVOKE_2)), id="invokeai 2"),
        pytest.param(lambda p: comfyui_webp(p / "x.webp"), id="comfyui webp"),
    ],
)
def test_containers(tmp_path, write):
    found = config_of(write(tmp_path), tmp_path)
    assert {key: getattr(found, key) for key in CAT} == CAT


def comfyui_webp(path):
    nodes = graph(
        n3={"seed": 5, "steps": 9, "cfg": 4, "sampler_name": "euler_ancestral"}, n6={"text": "a cat"},
        n5={"width": 64, "height": 64},
    )  # fmt: skip
    exif = Image.Exif()
    exif[0x010F] = "prompt:" + nodes
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    return path


def ours(config):
    return own.text(config, shot(config, 5, 4.0), (64, 64))


def test_the_source_that_tells_most_wins(tmp_path):
    texts = {"parameters": INFO, "prompt": graph(), own.KEY: ours(SampleConfig(prompt="ours"))}
    assert config_of(png(tmp_path / "a.png", **texts), tmp_path).prompt == "ours"
    del texts[own.KEY]
    assert config_of(png(tmp_path / "b.png", **texts), tmp_path).prompt == "a bottle with a galaxy"
    texts["prompt"] = "{torn"
    assert config_of(png(tmp_path / "c.png", **texts), tmp_path).prompt == "a cat"


def test_files_that_are_here_are_taken_others_are_comments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = INFO.replace("a cat", "a cat <lora:ink:0.5> <lora:gone:1>") + ", Model: dream"
    (tmp_path / "dream.safetensors").touch()
    (tmp_path / "ink.safetensors").touch()
    imported = import_image(png(tmp_path / "x.png", parameters=text), SampleConfig)
    assert imported.values["model"] == "dream.safetensors"
    assert imported.values["loras"] == [{"file": "ink.safetensors", "scale": 0.5}]
    written = config_text(imported, "x.png", SampleConfig)
    assert "# loras: [{file: gone" in written or "# - file: gone" in written or "# loras:" in written
    assert 'The LoRA "gone" is not in this folder' in written


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "..\\secret", "C:\\secret", "a/../../secret"])
def test_no_path_leads_out_of_the_folder(tmp_path, monkeypatch, name):
    (tmp_path / "secret.safetensors").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    imported = import_image(png(tmp_path / "x.png", parameters=f"{INFO}, Model: {json.dumps(name)}"), SampleConfig)
    assert "model" not in imported.values
    assert imported.elsewhere["model"] == "secret"


@pytest.mark.parametrize(
    ("line", "key", "default"),
    [
        ("Steps: 9", "Steps: 5000", "steps"),
        ("Size: 64x64", "Size: 999999x3", "size"),
        ("Size: 64x64", "Size: 63x65", "size"),
        ("CFG scale: 4", "CFG scale: 1e9", "cfg"),
        ("CFG scale: 4", "CFG scale: 500", "cfg"),
        ("Seed: 5", "Seed: -1", "seeds"),
    ],
)
def test_values_out_of_range_are_left_out_and_told(tmp_path, line, key, default):
    imported = import_image(png(tmp_path / "x.png", parameters=INFO.replace(line, key)), SampleConfig)
    assert default not in imported.values
    assert key.endswith("1e9") or any(note.startswith(f"{default}: ") for note in imported.notes)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        pytest.param(lambda p: None, "x.png is not there", id="missing"),
        pytest.param(lambda p: p.mkdir(), "is not a file", id="folder"),
        pytest.param(lambda p: p.write_text("hello"), "holds no settings that we can read", id="text"),
        pytest.param(lambda p: p.write_bytes(b"a\0b"), "not an image that we can read", id="bytes"),
        pytest.param(lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "x.png", id="torn"),
        pytest.param(lambda p: png(p), "holds no settings that we can read", id="no metadata"),
        pytest.param(lambda p: png(p, Software="GIMP"), r"\(only: Software\)", id="other metadata"),
        pytest.param(lambda p: png(p, workflow="{}"), "(?s)only: workflow.*found no sampler", id="empty drawing"),
        pytest.param(lambda p: bomb(p), "cannot be looked into", id="text that unpacks to 100 MB"),
    ],
)
def test_bad_files(tmp_path, write, message):
    path = tmp_path / "x.png"
    write(path)
    with pytest.raises(NotRecorded, match=message):
        import_image(path, SampleConfig)


def bomb(path):
    """A PNG whose compressed text is a thousand times as large as the file."""
    png(path)
    raw = path.read_bytes()
    body = b"zTXt" + b"parameters\0\0" + zlib.compress(b"a" * 100_000_000, 9)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(raw[:33] + chunk + raw[33:])


def hostile(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def sampled(**inputs):
    """A graph of a sampler with these inputs, and of nodes n2, n3."""
    nodes = {key[1:]: inputs.pop(key) for key in ("n2", "n3") if key in inputs}
    plain = {"positive": 1, "latent_image": 1, "steps": 9}
    return json.dumps({"s": hostile("KSampler", **plain | inputs), **nodes})


def drawn(nodes, links=(), subgraphs=()):
    """A drawing of these nodes and a sampler."""
    sampler = {"id": "s", "type": "KSampler", "inputs": [{"name": "positive"}, {"name": "latent_image"}]}
    sampler["widgets_values"] = [1, "fixed", 9, 7, "euler", "normal", 1]
    return json.dumps({"nodes": [*nodes, sampler], "links": links, "definitions": {"subgraphs": subgraphs}})


def wide(node):
    node = {"id": 3, "inputs": [{"link": None} for _ in range(10_000)], **node}
    reader = {"id": 2, "type": "X", "inputs": [{"name": str(i), "link": i} for i in range(10_000)]}
    return drawn([node, reader], [[i, 3, 0, 2, i, "X"] for i in range(10_000)])


HOSTILE = {
    "deep graph": ("prompt", "[" * 500_000),
    "graph of 19,000 nodes with 64 samplers": (
        "prompt",
        json.dumps(
            {
                str(i): {"class_type": "X", "inputs": {k: [str(i + n), 0] for n, k in enumerate("abc", 1)}}
                for i in range(9000)
            }
            | {
                f"s{i}": {
                    "class_type": "KSampler",
                    "inputs": {key: ["0", 0] for key in ("positive", "latent_image", "steps")},
                }
                for i in range(64)
            }
        ),
    ),
    "samplers in a ring": (
        "prompt",
        json.dumps(
            {
                str(i): {
                    "class_type": "KSampler",
                    "inputs": {"positive": 1, "steps": 1, "latent_image": [str((i + 1) % 5000), 0]},
                }
                for i in range(5000)
            }
        ),
    ),
    "9,000 nodes below one sampler": (
        "prompt",
        json.dumps(
            {"s": {"class_type": "KSampler", "inputs": {"positive": 1, "latent_image": ["s", 0], "steps": 9}}}
            | {
                str(i): {"class_type": "X", "inputs": {"a": ["s", 0], "b": [str(min(i + 1, 8999)), 0]}}
                for i in range(9000)
            }
        ),
    ),
    "a prompt combined with itself 17 times, in a range": (
        "prompt",
        json.dumps(
            {"s": hostile("KSampler", positive=["0", 0], latent_image=1, steps=1000, cfg=7, scheduler="normal")}
            | {
                str(i): hostile("ConditioningCombine", conditioning_1=[str(i + 1), 0], conditioning_2=[str(i + 1), 0])
                for i in range(17)
            }
            | {
                "17": hostile("ConditioningSetTimestepRange", start=0, end=0.5, conditioning=["t", 0]),
                "t": hostile("CLIPTextEncode", text="a" * 100_000),
            }
        ),
    ),
    "long prompts in ranges": (
        "prompt",
        json.dumps(
            {"s": hostile("KSampler", positive=["0", 0], latent_image=1, steps=1000, cfg=7, scheduler="normal")}
            | {
                f"{i}": hostile(
                    "ConditioningCombine", conditioning_1=[f"{2 * i + 1}", 0], conditioning_2=[f"{2 * i + 2}", 0]
                )
                for i in range(1023)
            }
            | {
                f"{i + 1023}": hostile(
                    "ConditioningSetTimestepRange", start=i / 2048, end=1 - i / 2048, conditioning=[f"t{i}", 0]
                )
                for i in range(1024)
            }
            | {f"t{i}": hostile("CLIPTextEncode", text=f"{i}" + "a" * 900) for i in range(1024)}
        ),
    ),
    "a subgraph of 6,000 links that stands 3,000 times": (
        "workflow",
        drawn(
            [{"id": i, "type": "s"} for i in range(3000)],
            subgraphs=[{"id": "s", "nodes": [], "links": [[i, 1, 0, 2, 0, "X"] for i in range(6000)]}],
        ),
    ),
    "subgraphs ten wide and twenty deep, without a node": (
        "workflow",
        drawn(
            [{"id": 2, "type": "0"}],
            subgraphs=[{"id": str(i), "nodes": [{"id": j, "type": str(i + 1)} for j in range(10)]} for i in range(20)],
        ),
    ),
    "10,000 links to a reroute of 10,000 inputs": ("workflow", wide({"type": "Reroute"})),
    "10,000 links to a bypassed node of 10,000 inputs": ("workflow", wide({"type": "X", "mode": 4})),
    "a node of 200,000 widgets": (
        "workflow",
        drawn(
            [
                {
                    "id": 2,
                    "inputs": [{"name": str(i), "widget": 1} for i in range(200_000)],
                    "widgets_values": [0] * 200_000,
                }
            ]
        ),
    ),
    "20,000 links to a node of 20,000 inputs": (
        "prompt",
        sampled(**{f"i{i}": ["2", 0] for i in range(20_000)}, n2=hostile("X", **{f"i{i}": 0 for i in range(20_000)})),
    ),
    "64 samplers of a loader of 50,000 inputs": (
        "prompt",
        json.dumps(
            {
                f"s{i}": hostile("KSampler", positive=1, latent_image=1, steps=9, seed=i, model=["m", 0])
                for i in range(64)
            }
            | {"m": hostile("CheckpointLoaderSimple", ckpt_name="x", **{f"i{i}": 0 for i in range(50_000)})}
        ),
    ),
    "64 samplers of 20,000 loras": (
        "prompt",
        json.dumps(
            {
                f"s{i}": hostile("KSampler", positive=1, latent_image=1, steps=9, seed=i, model=["m", 0])
                for i in range(64)
            }
            | {"m": hostile("LoraStack", model=1, **{f"lora_{i}": f"x{i}" for i in range(20_000)})}
        ),
    ),
    "a text that grows when replaced": (
        "prompt",
        sampled(
            positive=["2", 0],
            n2=hostile("CLIPTextEncode", text=["3", 0]),
            n3=hostile("StringReplace", string="a" * 200_000, find="a", replace="b" * 200_000),
        ),
    ),
    "a text that grows when joined": (
        "prompt",
        sampled(
            positive=["2", 0],
            n2=hostile("CLIPTextEncode", text=["3", 0]),
            n3=hostile("JoinStringMulti", delimiter="d" * 200_000, **{f"string_{i}": "b" for i in range(20_000)}),
        ),
    ),
    "a number rounded far left": (
        "prompt",
        sampled(steps=["2", 0], n2=hostile("SimpleMath+", value="round(7,-9999999)")),
    ),
    "a text for a number": (
        "prompt",
        sampled(steps=["2", 0], n2=hostile("SimpleMath+", value="a%b", a="%500000000d", b=5)),
    ),
    "a number of 4000 digits": ("denoisecli", '{"steps": ' + "9" * 4000 + ', "seeds": [1e999], "cfg": NaN}'),
    "a number of a million digits": ("denoisecli", '{"steps": ' + "9" * 1_000_000 + "}"),
    "a word without an end": ("parameters", "x\n" + "a" * 500_000),
    "quotes without an end": ("parameters", "x\n" + 'ab:"\\' * 100_000),
    "brackets without an end": ("parameters", "(" * 300_000 + "\nSteps: 1, Seed: 2, CFG scale: 3"),
    "tags without an end": ("parameters", "<lora:" * 100_000 + "\nSteps: 1, Seed: 2, CFG scale: 3"),
    "a thousand ranges of seeds": ("denoisecli", json.dumps({"seeds": ["0-4095"] * 30_000})),
    "a text of ranges of seeds": ("denoisecli", json.dumps({"seeds": "0-4095," * 50_000})),
    "thousands of phases whose loras are not here": (
        "denoisecli",
        json.dumps({"phases": [{"until": (i + 1) / 9001, "loras": [f"{i}.safetensors"]} for i in range(9000)]}),
    ),
    "thousands of loras in a prompt": (
        "parameters",
        "".join(f"<lora:{i}:x{i}>" for i in range(20_000)) + "\nSteps: 1, Seed: 2, CFG scale: 3",
    ),
    "blanks without an end": ("parameters", "x" + " " * 400_000 + "y\nSteps: 1, Seed: 2, CFG scale: 3"),
    "values that nothing closes": ("parameters", "x\n" + "Steps: 1," * 50 + "a:[," * 25_000 + "\nSteps: 1, Seed: 2"),
    "quotes that nothing closes": ("parameters", "x\n" + "Steps: 1," * 50 + 'a:{"b",' * 25_000),
    "line breaks behind the pairs": ("parameters", "x\nSteps: 1, Seed: 2, CFG scale: 3\n" + "\n" * 400_000 + "z"),
    "other words in every step": ("parameters", "[a|b]" * 99 + "x" * 19_000 + "\nSteps: 1000, Seed: 2, CFG scale: 3"),
    "long words in every other step": ("parameters", f"[{'x' * 19_000}|]\nSteps: 1000, Seed: 2, CFG scale: 3"),
    "a million loras": ("invokeai_metadata", json.dumps({"seed": 1, "loras": [{"model": "x"}] * 300_000})),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_cost_little(tmp_path, name):
    """Each took minutes, or all memory, with a plainer reader; two seconds on a slow machine with this one."""
    key, text = HOSTILE[name]
    path = png(tmp_path / "x.png", **{key: text})
    began = time.process_time()
    with contextlib.suppress(NotRecorded):
        config_text(import_image(path, SampleConfig), "x.png", SampleConfig)
    assert time.process_time() - began < 10


def test_comments_cannot_become_settings(tmp_path):
    text = INFO + r', Model: "x\nsteps: 3"' + ", Odd\u2028key: 4"
    path = tmp_path / "na\nsteps: 5.png"
    written = config_text(import_image(png(tmp_path / "x.png", parameters=text), SampleConfig), path.name, SampleConfig)
    assert written.count("\nsteps: ") == 1
    assert "\nsteps: 9\n" in written


@pytest.mark.parametrize(("lab", "seeds"), [("walk", (5, 6)), ("cfg-sweep", (5,))])
def test_other_labs(tmp_path, lab, seeds):
    found = config_of(png(tmp_path / "x.png", parameters=INFO), tmp_path, lab)
    assert (found.lab, found.seeds, found.prompt) == (lab, seeds, "a cat")
    if lab == "cfg-sweep":
        assert found.scales == (1, 3, 4, 7.5, 12)  # the picture's own among the usual ones


def test_our_chunk_names_no_folder_of_this_machine():
    config = SampleConfig(model="/home/me/models/dream.safetensors", loras=[{"file": "~/loras/ink.safetensors"}])
    text = ours(config)
    assert "home" not in text
    assert "loras/" not in text
    assert own.read(text).elsewhere == {
        "model": "dream.safetensors",
        "loras": [{"file": "ink.safetensors", "scale": 1.0}],
    }


def test_a_hub_model_is_only_taken_where_it_was_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    text = ours(SampleConfig(model="who/what"))
    assert own.read(text).elsewhere == {"model": "who/what"}
    (tmp_path / "models--who--what").mkdir()
    assert own.read(text).values["model"] == "who/what"


HALF = r"half \ud83d of one"
ODD = {
    "half a character": ("invokeai_metadata", json.dumps({"seed": 1, "positive_prompt": "x"}).replace("x", HALF)),
    "half a character, A1111": ("parameters", f'{INFO}, Model: "{HALF}"'),
    "half a character, ComfyUI": ("prompt", graph(n6={"text": "x"}).replace('"x"', f'"{HALF}"')),
    "half a character, ours": (own.KEY, f'{{"prompt": "{HALF}", "loras": [{{"file": "{HALF}"}}], "model": "{HALF}"}}'),
    "loras that are no list, ours": (own.KEY, '{"loras": 5}'),
    "loras that are no list": ("invokeai_metadata", '{"seed": 1, "loras": 5}'),
    "a word for cfg": (own.KEY, '{"cfg": "abc"}'),
    "a table for cfg": (own.KEY, '{"cfg": {}}'),
    "a cfg of 400 digits": (own.KEY, '{"cfg": ' + "9" * 400 + "}"),
    "a scale of 400 digits": (own.KEY, '{"loras": [{"file": "x", "scale": ' + "9" * 400 + "}]}"),
    "a name of 800 bytes": (own.KEY, json.dumps({"model": "😀" * 200, "loras": [{"file": "😀" * 200}]})),
}


@pytest.mark.parametrize("lab", ["sample", "cfg-sweep", "walk"])
@pytest.mark.parametrize("name", ODD)
def test_values_of_other_kinds(tmp_path, name, lab):
    """What can be read is read, the rest is told of; what is written is UTF-8 and loads."""
    key, text = ODD[name]
    path = png(tmp_path / "x.png", **{key: text})
    found = import_image(path, CONFIGS[lab])
    config_of(path, tmp_path, lab)
    assert "half \ufffd of one" in str(found) or "half" not in name
    assert len(found.notes) > 0 or "loras" in name or "half" in name


def test_a_picture_names_no_folder_of_this_machine_and_reads_none(tmp_path, monkeypatch):
    """Pictures to start from, and LoRAs and models of phases: file names alone, looked for in this folder alone."""
    monkeypatch.chdir(tmp_path)
    phases = [{"until": 0.5}, {"loras": ["/home/me/ink.safetensors"], "model": "/home/me/fine.safetensors"}]
    config = SampleConfig(phases=phases, start={"image": "/home/me/own.png", "mask": "/home/me/sky.png"})
    texts = picture_texts(config, shot(config, 7, 7.5), (64, 64), SHA, "leading")
    assert "/home" not in json.dumps(texts)
    found = own.read(texts[own.KEY])
    assert found.values["phases"] == [{"until": 0.5}, {"loras": []}]
    assert found.elsewhere["start"]["image"] == "own.png"
    assert any("ink.safetensors and fine.safetensors" in note for note in found.notes)
    for name in ("ink.safetensors", "fine.safetensors", "own.png", "sky.png"):
        (tmp_path / name).touch()
    found = own.read(texts[own.KEY])
    assert found.values["phases"][1]["loras"][0]["file"] == "ink.safetensors"
    assert found.values["phases"][1]["model"] == "fine.safetensors"
    assert (found.values["start"]["image"], found.values["start"]["mask"]) == ("own.png", "sky.png")
    stranger = texts[own.KEY].replace('"own.png"', '"/etc/own.png"')
    assert own.read(stranger).values["start"]["image"] == "own.png"
