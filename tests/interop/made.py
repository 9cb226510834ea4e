"""Images with metadata as each tool writes it."""

import json

from PIL import Image, PngImagePlugin

from denoisecli.interop.recipe import recipe, shot

SIZE = (16, 8)
SHA = "ab" * 32


def recipe_for(config, seeds=None, size=(64, 64), spacing="leading"):
    """The recipe of a config's pictures, as a run of it has it."""
    shots = [shot(config, seed, config.cfg) for seed in seeds or config.seeds]
    return recipe(config, shots, config.size or size, SHA, spacing)


def png(path, **texts):
    notes = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        notes.add_text(key.replace("_dash_", "-"), value)
    Image.new("RGB", SIZE).save(path, pnginfo=notes)
    return path


def with_comment(path, text, encoding="utf-16-be", head=b"UNICODE\0"):
    """A JPEG or WebP with an EXIF UserComment, as A1111 writes it."""
    image, exif = Image.new("RGB", SIZE), Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = head + text.encode(encoding)
    image.save(path, exif=exif)
    return path


def graph(**changes):
    """ComfyUI's default graph in API form; `changes` replace a node's inputs: n3={"steps": 5}."""
    nodes = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 8566257, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1,
                "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle with a galaxy", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    }  # fmt: skip
    for name, change in changes.items():
        node = nodes.setdefault(name[1:], {"class_type": "", "inputs": {}})
        node["class_type"] = change.get("class_type", node["class_type"])
        node["inputs"] = node["inputs"] | {key: value for key, value in change.items() if key != "class_type"}
    return json.dumps(nodes)
