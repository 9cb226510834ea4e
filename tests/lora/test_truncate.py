"""Truncated files: as near as can be, as strong as before, in the layout and dtype that came in."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from denoisecli.errors import ModelError
from denoisecli.lora.file import open_lora
from denoisecli.lora.ranks import Rule
from denoisecli.lora.truncate import spectra, truncate, truncated_size
from tests.lora.made import kohya_tensors, renamed, save


def changes(path):
    """Return every layer's ΔW, formed."""
    with open_lora(path) as lora:
        factors = {layer: [side.astype(np.float64) for side in lora.factors(layer)] for layer in lora.layers}
        return {layer.name: lora.scale(layer) * np.matmul(*sides) for layer, sides in factors.items()}


def cut(path, out, rank):
    with open_lora(path) as lora:
        truncate(lora, {out: {layer.name: rank for layer in lora.layers}})
    return out


def best(matrix, rank):
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


@pytest.fixture(params=["kohya", "peft", "diffusers", "no alpha", "locon mid"])
def file(request, tmp_path, kohya, peft):
    tensors = kohya_tensors(alpha=None)
    rng = np.random.default_rng(1)
    made = {
        "diffusers": lambda: renamed(tensors, "diffusers"),
        "no alpha": lambda: tensors,
        "locon mid": lambda: {
            "c.lora_up.weight": rng.standard_normal((12, 8, 1, 1)),
            "c.lora_mid.weight": rng.standard_normal((8, 8, 3, 3)),
            "c.lora_down.weight": rng.standard_normal((8, 10, 1, 1)),
        },
    }
    if request.param in made:
        return save(made[request.param](), tmp_path / "made.safetensors")
    return kohya if request.param == "kohya" else peft


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_equals_the_full_svd(file, tmp_path, rank):
    before, after = changes(file), changes(cut(file, tmp_path / "cut.safetensors", rank))
    assert before.keys() == after.keys()
    for name, matrix in before.items():
        np.testing.assert_allclose(after[name], best(matrix, rank), atol=1e-5 * np.linalg.norm(matrix, 2))


def test_agrees_with_sd_scripts(kohya, tmp_path):
    """As its resize does: SVD of the merged factors, U·S and Vᵀ, and alpha = (alpha / old rank) · new rank."""
    old, new = load_file(kohya), load_file(cut(kohya, tmp_path / "cut.safetensors", 3))
    for key in (key for key in old if key.endswith(".lora_down.weight")):
        base = key.removesuffix(".lora_down.weight")
        up, down = old[f"{base}.lora_up.weight"], old[key]
        theirs = best(up.reshape(len(up), -1).astype(np.float64) @ down.reshape(len(down), -1), 3)
        up, down = new[f"{base}.lora_up.weight"], new[key]
        ours = up.reshape(len(up), -1).astype(np.float64) @ down.reshape(len(down), -1)
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.linalg.norm(theirs, 2))
        assert new[f"{base}.alpha"] == pytest.approx(4.0 / 8 * 3)


def test_same_names_shapes_and_dtypes(kohya, tmp_path):
    old, new = load_file(kohya), load_file(cut(kohya, tmp_path / "cut.safetensors", 2))
    assert old.keys() == new.keys()
    for name, array in old.items():
        wanted = tuple(2 if side == 8 and "weight" in name else side for side in array.shape)
        assert (new[name].shape, new[name].dtype) == (wanted, array.dtype)


def test_metadata_is_kept_and_told(kohya, tmp_path):
    with safe_open(cut(kohya, tmp_path / "cut.safetensors", 2), "numpy") as file:
        metadata = file.metadata()
    assert metadata == {
        "ss_network_dim": "2",
        "ss_network_alpha": "1",
        "ss_output_name": "style",
        "denoisecli.truncated": "rank 2 of 8",
    }


def test_peft_metadata_fits_the_new_ranks(peft, tmp_path):
    out = tmp_path / "cut.safetensors"
    with open_lora(peft) as lora:
        ranks = {layer.name: 2 if "to_q" in layer.name else 4 for layer in lora.layers}
        truncate(lora, {out: ranks})
    with safe_open(out, "numpy") as file:
        config = json.loads(file.metadata()["lora_adapter_metadata"])
    assert config["unet.r"] == 4
    assert config["unet.rank_pattern"] == {"down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q": 2}
    assert config["unet.lora_alpha"] in (4, 8)
    with open_lora(peft) as old, open_lora(out) as new:
        assert [old.scale(layer) for layer in old.layers] == [new.scale(layer) for layer in new.layers]


@pytest.mark.parametrize(("dtype", "close"), [(np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2), (np.float64, 1e-6)])
def test_dtype_is_kept(tmp_path, dtype, close):
    tensors = kohya_tensors(alpha=2.7, dtype=dtype)
    before = changes(save(tensors, tmp_path / "in.safetensors"))
    after = changes(cut(tmp_path / "in.safetensors", tmp_path / "cut.safetensors", 3))
    with open_lora(tmp_path / "cut.safetensors") as lora:
        assert {info.dtype for info in lora.file.tensors.values()} == {
            {np.float16: "F16", np.float64: "F64"}.get(dtype, "BF16")
        }
    for name, matrix in before.items():
        truth = best(matrix, 3)
        assert np.linalg.norm(after[name] - truth) <= close * np.linalg.norm(truth)


@pytest.mark.parametrize("rule", [Rule("rank", 3), Rule("energy", 0.9), Rule("ratio", 4), Rule("rank", 99)])
def test_by_rule(kohya, tmp_path, rule):
    out = tmp_path / "cut.safetensors"
    with open_lora(kohya) as lora:
        values = spectra(lora)
        ranks = {name: rule.keep(found) for name, found in values.items()}
        size = truncated_size(lora, ranks)
        truncate(lora, {out: ranks})
    with open_lora(out) as lora:
        assert {layer.name: layer.rank for layer in lora.layers} == ranks
        again = spectra(lora)
    assert out.stat().st_size == size
    for name, found in values.items():
        np.testing.assert_allclose(again[name], found[: ranks[name]], rtol=1e-5)


def test_spectra_are_those_of_the_change(file):
    with open_lora(file) as lora:
        values = spectra(lora)
    for name, matrix in changes(file).items():
        truth = np.linalg.svd(matrix, compute_uv=False)[: len(values[name])]
        np.testing.assert_allclose(values[name], truth, atol=1e-6 * truth[0])


def test_many_ranks_from_one_pass(kohya, tmp_path):
    targets = {rank: tmp_path / f"{rank}.safetensors" for rank in (1, 2, 4, 8)}
    with open_lora(kohya) as lora:
        found = truncate(lora, {path: {layer.name: rank for layer in lora.layers} for rank, path in targets.items()})
        assert found.keys() == spectra(lora).keys()
    for rank, path in targets.items():
        alone = cut(kohya, tmp_path / "alone.safetensors", rank)
        assert path.read_bytes() == alone.read_bytes()


def test_other_tensors_are_copied(tmp_path):
    tensors = kohya_tensors() | {"bundle_emb.style.string_to_param.*": np.ones((2, 768), np.float16)}
    out = cut(save(tensors, tmp_path / "in.safetensors"), tmp_path / "cut.safetensors", 2)
    np.testing.assert_array_equal(load_file(out)["bundle_emb.style.string_to_param.*"], np.ones((2, 768)))


def test_an_alpha_of_whole_numbers_becomes_a_float(tmp_path):
    tensors = kohya_tensors() | {name: np.array(4) for name in kohya_tensors() if name.endswith("alpha")}
    out = cut(save(tensors, tmp_path / "in.safetensors"), tmp_path / "cut.safetensors", 3)
    assert {float(array) for name, array in load_file(out).items() if name.endswith("alpha")} == {1.5}


def test_a_layer_of_zeros(tmp_path):
    tensors = {name: array * 0 for name, array in kohya_tensors().items() if "alpha" not in name}
    after = changes(cut(save(tensors, tmp_path / "in.safetensors"), tmp_path / "cut.safetensors", 3))
    assert all((matrix == 0).all() for matrix in after.values())


def test_what_float16_cannot_hold(tmp_path):
    tensors = {
        "a.lora_down.weight": np.full((2, 3), 6e4, np.float16),
        "a.lora_up.weight": np.full((3, 2), 6e4, np.float16),
    }
    path = save(tensors, tmp_path / "in.safetensors")
    with pytest.raises(ModelError, match="too large for float16"):
        cut(path, tmp_path / "cut.safetensors", 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.safetensors"]


def test_what_only_an_uneven_split_holds(tmp_path):
    """One long entry beside a long row: √σ is beyond float16, the factors that came were not."""
    up, down = np.zeros((40, 1), np.float16), np.full((1, 768), 6e4, np.float16)
    up[7] = 6e4
    path = save({"a.lora_down.weight": down, "a.lora_up.weight": up}, tmp_path / "in.safetensors")
    out = cut(path, tmp_path / "cut.safetensors", 1)
    assert all(np.isfinite(array).all() for array in load_file(out).values())
    np.testing.assert_allclose(changes(out)["a"], changes(path)["a"], rtol=2e-3)


def repeated(dtype, scale, rng):
    """Factors of rank 2 under a stored rank of 8, rows and columns repeated."""
    up, down = ((scale * rng.standard_normal(shape)).astype(dtype) for shape in ((40, 2), (2, 24)))
    return np.hstack([up] * 4), np.vstack([down] * 4)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (np.float16, 1.0), (ml_dtypes.bfloat16, 1.0), (ml_dtypes.bfloat16, 1e30), (np.float32, 1.0),
        (np.float32, 1e-30), (np.float32, 1e30), (np.float64, 1.0), (np.float64, 1e-30), (np.float64, 1e30),
    ],
)  # fmt: skip
def test_a_file_merged_with_itself(tmp_path, dtype, scale):
    up, down = repeated(dtype, scale, np.random.default_rng(5))
    path = save({"a.lora_down.weight": down, "a.lora_up.weight": up}, tmp_path / "in.safetensors")
    out = cut(path, tmp_path / "cut.safetensors", 8)
    found = {name: array.astype(np.float64) for name, array in load_file(out).items()}
    lengths = np.linalg.norm(found["a.lora_up.weight"], axis=0), np.linalg.norm(found["a.lora_down.weight"], axis=1)
    roots = np.sqrt(np.linalg.svd(changes(path)["a"], compute_uv=False)[:2])
    close = float(ml_dtypes.finfo(dtype).eps) + 1e-6
    for side in lengths:
        np.testing.assert_allclose(side[:2], roots, rtol=close)
        assert (side[2:] == 0).all(), "beyond its rank a copy is zero"


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["lora_up.weight", "lora_down.weight", "lora_mid.weight", "alpha"])
def test_what_is_no_number_is_told_by_its_layer(tmp_path, damage, part):
    tensors = {"c.lora_up.weight": np.ones((12, 8, 1, 1), np.float32), "c.alpha": np.array(4, np.float32),
               "c.lora_mid.weight": np.ones((8, 8, 3, 3), np.float32),
               "c.lora_down.weight": np.ones((8, 10, 1, 1), np.float32)}  # fmt: skip
    tensors[f"c.{part}"].flat[-1] = damage
    path = save(tensors, tmp_path / "in.safetensors")
    with pytest.raises(ModelError, match=rf"c\.{part}"):
        cut(path, tmp_path / "cut.safetensors", 2)


def test_numbers_that_no_model_has(tmp_path):
    tensors = {"a.lora_down.weight": np.full((2, 3), 1e200), "a.lora_up.weight": np.ones((3, 2))}
    with pytest.raises(ModelError, match=r"a\.lora_down\.weight holds numbers above 1e\+40"):
        cut(save(tensors, tmp_path / "in.safetensors"), tmp_path / "cut.safetensors", 1)


def test_an_alpha_that_would_vanish_stays(tmp_path):
    """alpha · rank'/rank is below the smallest float16: the old one stays, and the factors say the rest."""
    tensors = kohya_tensors(alpha=6e-8, dtype=np.float16)
    path = save(tensors, tmp_path / "in.safetensors")
    before, after = changes(path), changes(cut(path, tmp_path / "cut.safetensors", 1))
    for name, matrix in before.items():
        truth = best(matrix, 1)
        assert np.linalg.norm(after[name] - truth) <= 3e-3 * np.linalg.norm(truth)


def test_layers_of_rank_0_are_copied(tmp_path):
    empty = {"z.lora_down.weight": np.zeros((0, 24), np.float32), "z.lora_up.weight": np.zeros((40, 0), np.float32)}
    path = save(kohya_tensors() | empty, tmp_path / "in.safetensors")
    out = cut(path, tmp_path / "cut.safetensors", 2)
    assert {name: load_file(out)[name].shape for name in empty} == {name: array.shape for name, array in empty.items()}
    assert changes(out).keys() == changes(path).keys()
    with pytest.raises(ModelError, match="changes nothing"):
        changes(save(empty, tmp_path / "empty.safetensors"))


def test_torch_stays_out():
    import subprocess
    import sys

    code = "import sys, denoisecli.lora.truncate; sys.exit('torch' in sys.modules or 'ml_dtypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
