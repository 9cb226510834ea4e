"""Warnings of third parties that are no news here, each by name; everything else stays an error."""

import pytest

HARMLESS = (
    "ignore:.*torch.jit.script.*is deprecated:DeprecationWarning",
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # diffusers on NumPy 2
    "ignore:__array_wrap__ must accept context:DeprecationWarning",
    "ignore:.*builtin type .* has no __module__ attribute:DeprecationWarning",
)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Two workers share two cores; tiny tensors gain nothing from more threads."""
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    for item in items:
        for rule in HARMLESS:
            item.add_marker(pytest.mark.filterwarnings(rule))
