"""The plan of the house: which room may use which, no circle anywhere, and who may know torch. See docs/house.md."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "denoisecli"
FLOORS = (
    ("amounts", "clips", "cores", "errors", "glossary", "hub_cache", "report", "registry", "safe_files", "safe_text"),
    ("cache", "digest", "locks", "safe_json", "trace_schema"),
    ("metrics", "trace", "trace_files", "scale"),
    ("config", "media", "lora", "process"),
    ("runs",),
    ("diffusion", "figures", "interop"),
    ("labs",),
    ("lab rooms",),
    ("batch", "tools"),
    ("cli",),
)
"""The rooms, floor by floor from the ground: a room uses those of lower floors, and none beside it."""

BESIDE = {("scale", "trace"), ("trace", "metrics"), ("trace", "trace_files")}
"""Rooms of one floor that may be used by a neighbour, in this direction."""

HEAVY = ("torch", "diffusers", "transformers")
KNOW_TORCH = ("diffusion", "cli/info.py")  # doctor reports on torch
PURE = (
    "figures", "amounts", "glossary", "registry", "trace", "metrics", "process", "scale", "config", "errors", "runs",
    "lora", "media",
)  # fmt: skip
"""All that a lab's drawings may use beside their own room: NumPy and Pillow, no model."""

FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE or not path.name.startswith("__")]


def name_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def room(module):
    """Return the room of a module: its folder, a lab's or tool's own folder, or itself at the root."""
    parts = module.split(".")
    if parts[0] in ("labs", "tools") and len(parts) > 1 and (SOURCE / parts[0] / parts[1]).is_dir():
        return ".".join(parts[:2])
    return parts[0]


def floor_of(module):
    here = room(module)
    here = "lab rooms" if here.startswith("labs.") else here.partition(".")[0]
    found = [index for index, rooms in enumerate(FLOORS) if here in rooms]
    assert found, f"{here} stands on no floor: give it one in FLOORS"
    return found[0]


@functools.cache
def arrows(path):
    """Return the modules that a file imports, names resolved, and whether each was named from where the file stands."""
    found = []
    package = ["denoisecli", *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                below = f"{module}.{alias.name}".removeprefix("denoisecli.")
                found.append((f"denoisecli.{below}" if below in MODULES else module, bool(node.level)))
    return found


def imports(path):
    return [name for name, _ in arrows(path)]


def ours(path):
    for name in imports(path):
        module = name.removeprefix("denoisecli.")
        if name.startswith("denoisecli.") and module in MODULES:
            yield module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path):
    here = name_of(path)
    for there in ours(path):
        if room(there) == room(here) or (room(here), room(there)) in BESIDE:
            continue
        assert floor_of(there) < floor_of(here), f"{here} imports {there}"


def test_no_room_is_in_a_circle():
    """Every import counts, those inside functions and those for types too."""
    graph = {name: set(ours(path)) - {name} for name, path in MODULES.items()}
    circles, index, low, stack, on = [], {}, {}, [], set()

    def visit(name):  # Tarjan's strongly connected components
        index[name] = low[name] = len(index)
        stack.append(name)
        on.add(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in on:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            circle = set()
            while name not in circle:
                circle.add(stack.pop())
            on.difference_update(circle)
            if len(circle) > 1:
                circles.append(sorted(circle))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    assert not circles


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_are_relative_in_a_room_and_absolute_across_rooms(path):
    """So "mine" and "the kit's" are told apart at a glance. What stands at the root is one room."""

    def home(module):
        return room(module) if (SOURCE / module.partition(".")[0]).is_dir() else "the root"

    for name, relative in arrows(path):
        if (module := name.removeprefix("denoisecli.")) in MODULES and name != module:
            assert relative == (home(module) == home(name_of(path))), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_diffusion_knows_torch(path):
    where = path.relative_to(SOURCE).as_posix()
    if where.startswith(KNOW_TORCH):
        return
    assert not {name.split(".")[0] for name in imports(path)} & set(HEAVY)


@pytest.mark.parametrize(
    "path", sorted(SOURCE.glob("labs/*/figures/*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_the_drawings_of_a_lab_are_pure(path):
    here = room(name_of(path))
    for there in ours(path):
        assert room(there) == here or room(there).partition(".")[0] in PURE, f"{name_of(path)} imports {there}"


COMMANDS = [
    ["--help"],
    ["--version"],
    ["sample", "--help"],
    ["sample", "--dry-run"],
    ["sample", "--set", "stesp=3"],
    ["config", "init", "sample"],
    ["config", "schema", "sample"],
    ["models"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_light_commands_never_load_torch(command, tmp_path):
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        f"sys.argv = ['denoisecli', *{command!r}]\n"
        "from denoisecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_neither_numpy_nor_pydantic():
    code = (
        "import sys\n"
        "for name in ('numpy', 'pydantic', 'ruamel', 'PIL'): sys.modules[name] = None\n"
        "sys.argv = ['denoisecli', '--help']\n"
        "from denoisecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
