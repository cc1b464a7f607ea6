"""The workflow of GitHub Actions: a file that can be read, of commands that are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ser_edge import Bundle
from ser_edge.bundle import PRETRAINED
from ser_edge.cli.parser import parse_arguments
from ser_edge_bench.variant import variants

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "bench.yml"
TEXT = WORKFLOW.read_text("utf-8")


def commands(text: str) -> list[list[str]]:
    """Return the words of each `ser-edge` command, continued over lines or not."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in map(str.strip, lines) if line.startswith("ser-edge ")]


def test_its_commands_are_understood() -> None:
    (words,) = commands(TEXT)
    arguments = parse_arguments(words)
    assert arguments.command == "bench"
    assert (arguments.json, arguments.markdown) == ("bench.json", "bench.md")
    limits = {budget.metric for budget in arguments.budget}
    assert {"size_kb", "end_to_end.p50_kernels"} <= limits
    known = {variant.name for variant in variants(Bundle.open(PRETRAINED))}
    assert {budget.variant for budget in arguments.budget} - {""} <= known


def test_the_page_shows_it_as_it_is() -> None:
    page = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")
    (words,) = commands(TEXT)
    shown = [word for command in commands(page) for word in command if "kernels<=" in word]
    assert set(shown) >= {word for word in words if word.startswith("end_to_end")}


def test_actions_are_held_at_a_version() -> None:
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


def test_it_is_laid_out_as_yaml_wants_it() -> None:
    """Where there is no PyYAML: each line is a key, an item, a comment or a block's."""
    block = 0
    for line in TEXT.splitlines():
        assert "\t" not in line
        depth = len(line) - len(line.lstrip())
        if block and depth > block:
            continue
        block = depth if line.endswith("|") else 0
        assert depth % 2 == 0
        assert re.fullmatch(r" *(#.*|(- )?[\w-]+:( .*)?|)", line), line
