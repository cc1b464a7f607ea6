"""Imports run one way: between the packages, between their parts, and between modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "ser_edge": ROOT / "ser_edge",
    "ser_edge_train": ROOT / "train" / "ser_edge_train",
    "ser_edge_export": ROOT / "export" / "ser_edge_export",
    "ser_edge_bench": ROOT / "benchmarks" / "ser_edge_bench",
}
ALLOWED = {
    "ser_edge": {"ser_edge"},
    "ser_edge_train": {"ser_edge", "ser_edge_train"},
    "ser_edge_export": {"ser_edge", "ser_edge_train", "ser_edge_export"},
    "ser_edge_bench": {"ser_edge", "ser_edge_bench"},
}

LAYERS = (
    ("choices", "errors", "levels", "prediction"),
    ("checks", "files", "isolated", "npy", "terminal", "versioned_json"),
    ("adaptation", "resampling", "window"),
    ("audio",),
    ("features", "recording"),
    ("frontend",),
    ("manifest",),
    ("bundle",),
    ("backends",),
    ("classifier",),
    ("doctor", "streaming"),
    ("listening", "verify"),
    ("cli",),
    ("__main__",),
)

Graph = dict[str, set[str]]


def modules(package: str) -> dict[str, ast.Module]:
    folder = PACKAGES[package]
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (package, *path.relative_to(folder).with_suffix("").parts)
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.AST, *, lazy: bool) -> Iterator[tuple[str, str]]:
    """Yield modules, and the names taken from them; inside functions too, if wanted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not used"
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imports(ast.Module(node.orelse, []), lazy=lazy)
        elif lazy or not isinstance(node, ast.FunctionDef):
            yield from imports(node, lazy=lazy)


def graph(package: str) -> Graph:
    """Return what each module of a package imports of it, inside functions too."""
    trees = modules(package)
    edges: Graph = {name: set() for name in trees}
    for name, tree in trees.items():
        for module, taken in imports(tree, lazy=True):
            target = f"{module}.{taken}" if f"{module}.{taken}" in trees else module
            if target in trees and target != name:
                edges[name].add(target)
    return edges


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_modules(package: str) -> None:
    edges = graph(package)
    assert any(edges.values())
    tuple(TopologicalSorter(edges).static_order())  # raises on a circle


def test_parts_import_what_lies_below() -> None:
    """The runtime's modules and folders stand in layers; none imports its own layer or above."""
    layer = {part: number for number, parts in enumerate(LAYERS) for part in parts}
    edges = graph("ser_edge")
    assert set(layer) == {name.split(".")[1] for name in edges if "." in name}
    for name, targets in edges.items():
        for target in (target for target in targets if "." in target):
            part, below = name.split(".")[1], target.split(".")[1]
            assert part == below or layer[below] < layer[part], (name, target)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package: str) -> None:
    others = set(PACKAGES) - ALLOWED[package]
    for name, tree in modules(package).items():
        lazy_allowed = name.startswith("ser_edge.cli.")  # the command imports what it runs
        for module, _ in imports(tree, lazy=not lazy_allowed):
            assert module.split(".")[0] not in others, name


def test_how_imports_are_read() -> None:
    tree = ast.parse("if TYPE_CHECKING:\n    import a\nelse:\n    import b\ndef f():\n    import c")
    assert [name for name, _ in imports(tree, lazy=False)] == ["b"]
    assert [name for name, _ in imports(tree, lazy=True)] == ["b", "c"]


def test_a_file_name_stands_for_one_thing() -> None:
    """A subcommand's options in `ser_edge.cli` are named after what they start."""
    names: dict[str, set[str]] = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            if path.parent != PACKAGES["ser_edge"] / "cli":
                names.setdefault(path.stem, set()).add(f"{package}/{path.relative_to(folder)}")
    several = {name for name, files in names.items() if len(files) > 1}
    assert several == {"__init__", "command"}  # the arguments of `ser-edge` meet a package there
