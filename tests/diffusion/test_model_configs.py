"""Model folders from elsewhere: what their configs name and say is checked before anything acts on it."""

import contextlib
import json
import os
import shutil
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.diffusion import model_configs, models, prompts, weights
from denoisecli.diffusion.decode import decoder
from denoisecli.diffusion.model_checks import check
from denoisecli.diffusion.model_configs import check_configs
from denoisecli.diffusion.models import identity, load_model
from denoisecli.errors import DenoiseError, ModelError
from denoisecli.labs.loading import native_size
from tests.sampling import sample_batch
from tests.tiny import noise, tiny_text_sd

POCKET_IDENTITY = "0054d79fd1eb3d55d2973a8175930ac43d458970dc7a667b32f49f2ee78829c4"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_text_sd().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tiny(made, tmp_path):
    shutil.copytree(made, tmp_path / "tiny")
    return tmp_path / "tiny"


def edit(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def use(folder):
    """Do all that a run does with a model: ask for its size, load it, paint a step."""
    native_size(folder)
    model = load_model(str(folder))
    trace = sample_batch(
        model, prompt="a cat", noise=noise(1), scales=[3.0], steps=2, sampler="ddim", seeds=[1], height=16, width=16
    )
    decoder(model, "vae").decode(trace.x0[:, -1])
    return trace


SIZES = [0, -1, 10**9, 1.5, "x", [1], [1, 2, 3], True, {}]
VALUES = [
    *[("unet/config.json", "sample_size", value) for value in SIZES],
    *[("vae/config.json", "scaling_factor", value) for value in ("x", 0, float("nan"), None, [1])],
    *[("vae/config.json", "block_out_channels", value) for value in (None, [], [10**9], ["x"], 4)],
    ("vae/config.json", "shift_factor", "x"),
    ("unet/config.json", "in_channels", 0),
    ("unet/config.json", "layers_per_block", 10**9),
    ("unet/config.json", "layers_per_block", 1000),
    ("vae/config.json", "layers_per_block", [501, 1]),
    ("unet/config.json", "anything_else", float("inf")),
    ("text_encoder/config.json", "num_hidden_layers", 10**9),
    ("text_encoder/config.json", "vocab_size", -5),
    ("text_encoder/config.json", "transformers_weights", "../../other.safetensors"),
    *[("scheduler/scheduler_config.json", "prediction_type", value) for value in ("evil", None, {}, 3)],
    *[("scheduler/scheduler_config.json", "num_train_timesteps", value) for value in (0, 10**8, 1.5, "x", None)],
    ("scheduler/scheduler_config.json", "beta_start", "x"),
    ("scheduler/scheduler_config.json", "beta_end", 7),
    ("scheduler/scheduler_config.json", "trained_betas", [float("nan")]),
    ("scheduler/scheduler_config.json", "steps_offset", -1),
    ("tokenizer/tokenizer_config.json", "vocab_file", "/etc/passwd"),
    *[("tokenizer/tokenizer_config.json", "model_max_length", value) for value in (0, -1, "x")],
]


@pytest.mark.parametrize(("file", "key", "value"), VALUES)
def test_values_that_no_model_has_are_told_by_file_and_key(tiny, file, key, value):
    edit(tiny / file, **{key: value})
    for asked in (lambda: native_size(tiny), lambda: load_model(str(tiny))):
        with pytest.raises(ModelError) as caught:
            asked()
        assert f"{tiny / file}: {key}: " in caught.value.message
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("text_encoder/config.json", "layer_norm_eps", None),
        ("text_encoder/config.json", "intermediate_size", 4),
        ("text_encoder/config.json", "num_hidden_layers", 2),
        ("text_encoder/config.json", "vocab_size", 3),
        ("vae/config.json", "up_block_types", []),
        ("unet/config.json", "act_fn", "evil"),
        ("unet/config.json", "resnet_time_scale_shift", "evil"),
        ("unet/config.json", "freq_shift", "x"),
        ("unet/config.json", "norm_eps", None),
        ("scheduler/scheduler_config.json", "beta_schedule", "evil"),
        ("model_index.json", "unet", ["diffusers", "AutoencoderKL"]),
        ("model_index.json", "unet", ["diffusers", "nothing_here"]),
    ],
)
def test_values_that_do_not_fit_are_the_models_fault(tiny, file, key, value):
    edit(tiny / file, **{key: value})
    with pytest.raises(ModelError, match=r"cannot be (loaded|run)|lacks weights") as caught:
        use(tiny)
    assert str(tiny) in caught.value.message


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["unet/config.json", "vae/config.json", "text_encoder/config.json", "model_index.json",
                     "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]),
    st.data(),
)  # fmt: skip
def test_no_value_of_any_config_is_a_fault_of_ours(made, file, data):
    """The check alone, over any JSON there is: our error, or none."""
    keys = [*json.loads((made / file).read_text()), *model_configs.RULES, "other"]
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )
    before = (made / file).read_text()
    table = json.loads(before) | {data.draw(st.sampled_from(keys)): data.draw(values)}
    try:
        (made / file).write_text(json.dumps(table))
        for asked in (check_configs, native_size):
            with suppress(DenoiseError):
                asked(made)
    finally:
        (made / file).write_text(before)


@pytest.mark.parametrize(
    "said", [{}, {"model_max_length": 1000000000000000019884624838656}, {"model_max_length": 1e30}]
)
def test_a_tokenizer_without_a_length_takes_the_text_encoders(tiny, said):
    file = tiny / "tokenizer" / "tokenizer_config.json"
    table = json.loads(file.read_text())
    del table["model_max_length"]
    file.write_text(json.dumps(table | said))
    pipe = load_model(str(tiny)).pipe
    assert pipe.tokenizer.model_max_length == 16
    assert prompts.truncated(pipe, "a cat " * 300)
    assert use(tiny).x_t.shape[1] == 3


def schedulers():
    """Yield every scheduler that diffusers can make without arguments."""
    from diffusers import SchedulerMixin
    from diffusers import schedulers as found

    for name in sorted(dir(found)):
        kind = getattr(found, name) if name.endswith("Scheduler") else None
        if isinstance(kind, type) and issubclass(kind, SchedulerMixin):
            with contextlib.suppress(Exception):
                yield pytest.param(kind(), id=name)


@pytest.mark.parametrize("scheduler", list(schedulers()))
def test_what_diffusers_writes_is_taken(tmp_path, scheduler):
    """DPM++ says `lambda_min_clipped: -Infinity`, which is no JSON, and stands in many folders."""
    (tmp_path / "model_index.json").write_text(json.dumps({"scheduler": ["diffusers", type(scheduler).__name__]}))
    scheduler.save_pretrained(tmp_path / "scheduler")
    check_configs(tmp_path)


@pytest.mark.parametrize(
    "name", ["/", "/usr/lib", "..", "../../..", "unet/../..", "a/b", ".", "", "a\\b", "unet\0", "C:x"]
)
def test_parts_are_folders_of_the_model(tiny, name, monkeypatch):
    edit(tiny / "model_index.json", **{name: ["diffusers", "UNet2DConditionModel"]})
    monkeypatch.setattr(model_configs, "files_of", lambda part: pytest.fail(f"{part} was walked"))
    for asked in (identity, load_model, lambda ref: native_size(tiny)):
        with pytest.raises(ModelError, match="names a part"):
            asked(str(tiny))


@pytest.mark.parametrize("library", ["os", "antigravity", "my_code", "../x", "diffusers.pipelines"])
def test_classes_come_from_diffusers_and_transformers(tiny, library):
    edit(tiny / "model_index.json", unet=[library, "UNet2DConditionModel"])
    with pytest.raises(ModelError, match="code of its own"):
        load_model(str(tiny))


@pytest.mark.parametrize("kind", ["DiffusionPipeline", "StableDiffusionPipeline", "UNet2DConditionModel"])
def test_no_part_is_a_pipeline_with_parts_of_its_own(tiny, kind):
    """It would bring code and pickles along that nobody looked at."""
    edit(tiny / "model_index.json", unet=["diffusers", kind])
    (tiny / "unet" / "model_index.json").write_text('{"_class_name": ["mine", "Mine"]}')
    with pytest.raises(ModelError, match="unet is a whole pipeline"):
        load_model(str(tiny))


@pytest.mark.parametrize("name", [["mine", "Mine"], {}, 7, None, True])
def test_a_pipeline_without_a_name(tiny, name):
    edit(tiny / "model_index.json", _class_name=name)
    for asked in (load_model, check, lambda ref: native_size(tiny)):
        with suppress(ModelError):
            asked(str(tiny))
    with pytest.raises(ModelError, match="code of its own"):
        load_model(str(tiny))


def index(folder, part, names):
    stem = {"unet": "diffusion_pytorch_model", "text_encoder": "model"}[part]
    (folder / part / f"{stem}.safetensors.index.json").write_text(json.dumps({"weight_map": names, "metadata": {}}))


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
@pytest.mark.parametrize(
    "names",
    [
        {"w": "x.bin"}, {"w": "../vae/diffusion_pytorch_model.safetensors"}, {"w": "/etc/passwd"}, {"w": 7},
        {"w": None}, {"w": "not-there.safetensors"}, {"w": ["x.safetensors"]}, {}, [], None,
    ],
    ids=str,
)  # fmt: skip
def test_an_index_names_safetensors_beside_it(tiny, part, names):
    (tiny / part / "x.bin").write_bytes(b"\x80\x02.")
    index(tiny, part, names)
    with pytest.raises(ModelError, match="weight_map"):
        load_model(str(tiny))


def test_everything_that_is_read_is_in_the_identity(tmp_path, made):
    """Weights in shards, configs, tokenizers, T5's vocabulary: a byte of any gives another model."""
    folder = tmp_path / "sharded"
    tiny_text_sd().save_pretrained(folder, max_shard_size="20KB")
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    (folder / "tokenizer" / "spiece.model").write_bytes(b"words")
    before = identity(str(folder))
    parts = [path for path in folder.rglob("*") if path.is_file()]
    assert len(parts) > 12
    for path in parts:
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        assert identity(str(folder)) != before, path
        path.write_bytes(content)
    assert identity(str(folder)) == before


def test_the_embedded_models_identity_is_what_it_was():
    """Names of runs hold it: it may change with what is in the files of the model alone."""
    assert identity("pocket") == POCKET_IDENTITY


@pytest.mark.parametrize(
    "file",
    ["unet/diffusion_pytorch_model.safetensors", "model_index.json", "unet/config.json", "tokenizer/tokenizer.json",
     "scheduler/scheduler_config.json"],
)  # fmt: skip
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tiny, file):
    (tiny / file).unlink()
    os.mkfifo(tiny / file)
    for asked in (identity, load_model):
        with pytest.raises(ModelError, match="is not a file but a pipe"):
            asked(str(tiny))


def test_a_pipe_as_a_single_file(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"not a file but a pipe|not a diffusers folder"):
        load_model(str(tmp_path / "model.safetensors"))


def test_an_adapter_for_another_model_is_refused(tiny):
    (tiny / "text_encoder" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/somewhere"}))
    with pytest.raises(ModelError, match="adapter"):
        load_model(str(tiny))


@pytest.mark.parametrize(
    "offsets", ["BF16", [0, "16"], [0], [16, 0, 0], {"0": 16}, [0, 1.5], [True, 16], [0, -16], None]
)
def test_a_header_with_offsets_of_another_kind(tmp_path, offsets):
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": offsets}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(ModelError, match="header is not a JSON table"):
        load_model(str(path))


@pytest.fixture
def settled(monkeypatch):
    monkeypatch.setattr(weights, "SETTLED_NS", -1)


def test_a_file_of_same_size_and_time_is_another_file(tmp_path, settled):
    """cp -p, rsync -t, layers of containers and SOURCE_DATE_EPOCH all set times."""
    path, found = tmp_path / "a", []
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        found.append(weights.file_hash(path))
    other = tmp_path / "b"
    other.write_bytes(b"six")
    os.utime(other, (1_700_000_000, 1_700_000_000))
    other.replace(path)
    found.append(weights.file_hash(path))
    assert len(set(found)) == 3


def test_a_file_that_was_written_just_now_is_not_trusted(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    weights.file_hash(path)
    assert not (weights.cache_dir() / "sha256").exists()
    time.sleep(2 * weights.SETTLED_NS / 1e9)
    weights.file_hash(path)
    assert len(list((weights.cache_dir() / "sha256").iterdir())) == 1


@pytest.mark.parametrize("junk", ["x" * 64, "A" * 64, "0" * 63, "0" * 65, "", "\0" * 64, "é" * 64, "0" * 10**6])
def test_the_cache_believes_hashes_alone(tmp_path, settled, junk):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    truth = weights.file_hash(path)
    (note,) = (weights.cache_dir() / "sha256").iterdir()
    note.write_text(junk, encoding="utf-8")
    assert weights.file_hash(path) == truth
    assert note.read_text() == truth


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path, settled, monkeypatch):
    monkeypatch.setattr(weights, "MOST_NOTES", 8)
    paths = [tmp_path / str(index) for index in range(30)]
    for path in paths:
        path.write_text(path.name)
        weights.file_hash(path)
        weights.file_hash(paths[0])
    assert len(list((weights.cache_dir() / "sha256").iterdir())) <= 8
    monkeypatch.setattr(weights, "file_sha256", lambda path: pytest.fail(f"{path} hashed again"))
    weights.file_hash(paths[0])


def test_a_model_that_is_none_is_not_listed(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    snapshot = tmp_path / "cache" / "huggingface" / "hub" / "models--me--evil" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    edit(tiny / "model_index.json", **{"../..": ["diffusers", "UNet2DConditionModel"]})
    snapshot.symlink_to(tiny)
    assert [row.ref for row in models.list_models() if row.ref != "pocket"] == []
