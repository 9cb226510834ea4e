"""A built-in LoRA keeps its name on the way through a picture's metadata."""

from denoisecli.interop.imported import Imported


def test_a_built_in_lora_is_found_by_its_file_name():
    imported = Imported("A1111")
    imported.add_lora("woodcut-print", 0.8)
    imported.add_lora("unheard-of", 1.0)
    assert imported.values["loras"] == [{"file": "pocket/woodcut-print", "scale": 0.8}]
    assert imported.elsewhere["loras"] == [{"file": "unheard-of", "scale": 1.0}]
