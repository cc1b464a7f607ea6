"""The workflow of GitHub Actions: valid YAML, with commands that the parser accepts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ser_edge import Bundle
from ser_edge.bundle import PRETRAINED
from ser_edge.cli.parser import parse_arguments
from ser_edge_bench.budget import Budget
from ser_edge_bench.variant import bench_variants

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "bench.yml"
TEXT = WORKFLOW.read_text("utf-8")


def commands(text: str) -> list[list[str]]:
    """Return the words of each `ser-edge` command, with continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in map(str.strip, lines) if line.startswith("ser-edge ")]


def test_its_command_is_legal_and_its_budgets_fit_the_bundle() -> None:
    (words,) = commands(TEXT)
    arguments = parse_arguments(words)
    assert arguments.command == "bench"
    assert (arguments.json, arguments.markdown) == ("bench.json", "bench.md")
    budgets = [Budget.parse(text) for text in arguments.budget]
    assert {"size_kb", "end_to_end.p50_kernels"} <= {budget.metric for budget in budgets}
    sizes = {v.name: v.model.size_bytes / 1e3 for v in bench_variants(Bundle.open(PRETRAINED))}
    for budget in budgets:
        variant = budget.variant or "int8.litert"
        assert variant in sizes
        assert budget.metric != "size_kb" or sizes[variant] <= budget.limit


def test_the_page_shows_it_as_it_is() -> None:
    page = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")
    (words,) = commands(TEXT)
    shown = [word for command in commands(page) for word in command if "kernels<=" in word]
    assert set(shown) >= {word for word in words if word.startswith("end_to_end")}


def test_actions_have_a_version() -> None:
    actions = re.findall(r"uses: (\S+)", TEXT)
    assert len(actions) == 3
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)


def test_it_is_yaml() -> None:
    yaml: Any = pytest.importorskip("yaml")
    content = yaml.safe_load(TEXT)
    job = content["jobs"]["bench"]
    assert job["strategy"]["matrix"]["runner"] == ["ubuntu-latest", "ubuntu-24.04-arm"]
    assert [bool(step.get("run")) != bool(step.get("uses")) for step in job["steps"]] == [True] * 6
    assert content["permissions"] == {"contents": "read"}
    assert "on" in content or True in content  # YAML 1.1 reads `on` as true
    assert "pull_request" in (content.get("on") or content[True])


def test_its_indentation() -> None:
    """Without PyYAML: each line is a key, an item, a comment or in a block."""
    block = 0
    for line in TEXT.splitlines():
        assert "\t" not in line
        depth = len(line) - len(line.lstrip())
        if block and depth > block:
            continue
        block = depth if line.endswith("|") else 0
        assert depth % 2 == 0
        assert re.fullmatch(r" *(#.*|(- )?[\w-]+:( .*)?|)", line), line
