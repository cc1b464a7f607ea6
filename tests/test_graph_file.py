"""``model.float32.npz``: its content, and damaged and hostile files."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raising import raises

from ser_edge.backends.graph import Graph, Op
from ser_edge.backends.graph_file import graph_bytes, read_graph
from ser_edge.errors import BackendError

Members = dict[str, bytes]

ARRAYS = {"weight": np.ones((3, 4, 2), np.float32), "bias": np.array([0.5, -1], np.float32)}
SETTINGS = {"stride": 1, "groups": 1, "left": 1, "right": 1}
GRAPH = Graph(
    (10, 4),
    2,
    (Op("conv", ("input",), "made", ARRAYS, SETTINGS), Op("mean", ("made",), "logits")),
)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def members() -> Members:
    with zipfile.ZipFile(io.BytesIO(graph_bytes(GRAPH))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_what_is_written_is_read_again() -> None:
    found = read_graph(graph_bytes(GRAPH), "m.npz")
    assert (found.input_shape, found.n_outputs) == (GRAPH.input_shape, GRAPH.n_outputs)
    for one, other in zip(found.ops, GRAPH.ops, strict=True):
        assert (one.kind, one.inputs, one.output) == (other.kind, other.inputs, other.output)
        assert one.settings == other.settings
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in one.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[name])
    assert graph_bytes(found) == graph_bytes(GRAPH)


def test_anyone_can_read_it(bundle_dir: Path) -> None:
    """The file is as the module describes it."""
    with np.load(bundle_dir / "model.float32.npz", allow_pickle=False) as file:
        layout = json.loads(file["graph.json"])
        arrays = {name: file[name] for name in file.files if name != "graph.json"}
    assert set(layout) == {"format", "format_version", "input_shape", "n_outputs", "ops"}
    assert (layout["format"], layout["format_version"]) == ("ser-edge-graph", 1)
    assert (layout["input_shape"], layout["n_outputs"]) == ([130, 22], 7)
    assert layout["ops"][0]["inputs"] == ["input"]
    assert layout["ops"][-1]["output"] == "logits"
    assert {array.dtype for array in arrays.values()} == {np.dtype("<f4")}
    outputs = {op["output"] for op in layout["ops"]}
    assert {name.rpartition(".")[0] for name in arrays} <= outputs
    weights = [op for op in layout["ops"] if op["kind"] in ("conv", "dense")]
    assert {f"{op['output']}.{name}" for op in weights for name in ("weight", "bias")} == set(
        arrays
    )


def edited(change: Callable[[dict[str, Any]], object]) -> Members:
    layout = json.loads(members()["graph.json"])
    change(layout)
    return members() | {"graph.json": json.dumps(layout).encode()}


def first(**values: Any) -> Members:
    return edited(lambda layout: layout["ops"][0].update(values))


def weight(data: bytes) -> Members:
    return members() | {"made.weight.npy": data}


def claiming(shape: str, kind: str = "<f4", order: str = "False") -> bytes:
    """The header of an array, and the bytes of 24 numbers."""
    header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00v\x00" + f"{header:<117}\n".encode() + bytes(96)


def without(name: str) -> Members:
    return {other: data for other, data in members().items() if other != name}


TYPE = ("graph.json", "type")
FLOAT32 = "made.weight.npy", "float32"

HOSTILE: dict[str, tuple[Members, tuple[str, ...]]] = {
    "no arrays": (without("made.bias.npy"), ("made.bias",)),
    "no graph": (without("graph.json"), ("graph.json",)),
    "not JSON": (members() | {"graph.json": b"{"}, ("line 1",)),
    "not text": (members() | {"graph.json": b"\xff"}, ("0xff",)),
    "deep": (members() | {"graph.json": b"[" * 100_000}, ("recursion",)),
    "digits": (members() | {"graph.json": b"9" * 5000}, ()),
    "a list": (members() | {"graph.json": b"[]"}, ("graph.json", "None", "'ser-edge-graph'")),
    "null": (members() | {"graph.json": b"null"}, ("graph.json", "None", "'ser-edge-graph'")),
    "format": (edited(lambda g: g.update(format="onnx")), ("'onnx'", "'ser-edge-graph'")),
    "version": (edited(lambda g: g.update(format_version=2)), ("version=2",)),
    "format is long": (edited(lambda g: g.update(format="x" * 999)), ("[...]",)),
    "no ops": (edited(lambda g: g.pop("ops")), ("ops",)),
    "ops are null": (edited(lambda g: g.update(ops=None)), TYPE),
    "an op is a word": (edited(lambda g: g.update(ops=["conv"])), TYPE),
    "an op lacks": (edited(lambda g: g["ops"][0].pop("inputs")), ("inputs",)),
    "shape": (edited(lambda g: g.update(input_shape=[1e3, 4])), ("1000.0",)),
    "huge shape": (edited(lambda g: g.update(input_shape=[10**30, 4])), ("10000000000",)),
    "outputs": (edited(lambda g: g.update(n_outputs="7")), ("'7'",)),
    "kind": (first(kind="lstm"), ("'lstm'", "conv")),
    "kind is a list": (first(kind=["conv"]), TYPE),
    "kind is long": (first(kind="x" * 10**6), ("'xxxxxxxxxxxx...xxx",)),
    "inputs": (first(inputs=["made"]), ("operation 'made' (conv)", "input 'made'")),
    "inputs are null": (first(inputs=None), TYPE),
    "an input is a list": (first(inputs=[[]]), ("named []",)),
    "settings": (first(settings={"stride": 1}), ("settings", "'stride'")),
    "settings are a word": (first(settings="ab"), ()),
    "stride": (first(settings={**SETTINGS, "stride": 0}), ("stride=0",)),
    "padding": (first(settings={**SETTINGS, "left": 10**9}), ("left=1000000000",)),
    "less data": (weight(npy(ARRAYS["weight"])[:-4]), ("220 bytes", "(3, 4, 2)")),
    "more data": (weight(npy(ARRAYS["weight"]) + b"...."), ("228 bytes", "(3, 4, 2)")),
    "100 GB": (weight(claiming("(25000000000,)")), ("(25000000000,)",)),
    "an overflow": (weight(claiming("(4294967296, 4294967296, 6)")), ("(4294967296,",)),
    "no size": (weight(claiming("()")), FLOAT32),
    "other weights": (weight(npy(np.ones((3, 5, 2), np.float32))), ("(3, 5, 2)",)),
    "another rank": (weight(npy(np.ones((12, 2), np.float32))), ("weight is 2",)),
    "objects": (weight(npy(np.array([{}, []], object))), FLOAT32),
    "a pickle": (weight(claiming("(3, 4, 2)", "|O")), FLOAT32),
    "float64": (weight(npy(np.ones((3, 4, 2)))), FLOAT32),
    "big-endian": (weight(npy(np.ones((3, 4, 2), ">f4"))), FLOAT32),
    "by columns": (weight(claiming("(3, 4, 2)", order="True")), FLOAT32),
    "code": (weight(claiming("(__import__('os'),)")), FLOAT32),
    "another header": (weight(npy(ARRAYS["weight"]).replace(b"\0v", b"\0w", 1)), FLOAT32),
    "not an array": (weight(b"weights"), FLOAT32),
    "no bytes": (weight(b""), FLOAT32),
    "NaN": (weight(npy(np.full((3, 4, 2), np.nan, np.float32))), ("weight", "finite")),
    "empty": (weight(npy(np.ones((0, 4, 2), np.float32))), ("weight", "finite")),
}


def check_refused(content: bytes, *values: str) -> None:
    """Check that a file is refused, and that nothing large is allocated."""
    tracemalloc.start()
    try:
        with raises(BackendError, *values, "export it again", source="m.npz") as caught:
            read_graph(content, "m.npz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Messages, JSON's recursion and zipfile's directory need up to 1 MB.
    assert peak < 4 * len(content) + 2**21
    assert len(caught.value.problem) < 300
    assert caught.value.problem.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members(name: str) -> None:
    content, values = HOSTILE[name]
    check_refused(zipped(content), *values)


def test_a_file_that_is_no_archive() -> None:
    good = graph_bytes(GRAPH)
    for content in (b"", b"PK\x05\x06", npy(ARRAYS["weight"]), good[: len(good) // 2], good[:-1]):
        check_refused(content, "zip")
    changed = bytearray(good)
    changed[good.index(b"\x00\x00\x80\x3f")] ^= 1
    check_refused(bytes(changed), "CRC-32", "made.weight.npy")


def test_an_archive_that_grows_is_not_opened() -> None:
    """Compression or overlapping members turn a few kilobytes of zip into gigabytes."""
    zeros = members() | {"made.weight.npy": bytes(10**8)}
    small = zipped(zeros, zipfile.ZIP_DEFLATED)
    assert len(small) < 10**6
    check_refused(small, "compressed")
    honest = zipped(members())
    size = len(members()["made.weight.npy"]).to_bytes(4, "little")
    claimed = honest.replace(size + size, (2**31).to_bytes(4, "little") * 2)
    assert claimed != honest
    check_refused(claimed, "bytes")


def test_truncated_and_changed_bytes(rng: Any) -> None:
    good = graph_bytes(GRAPH)
    for place in rng.choice(len(good), 300, replace=False):
        for content in (good[:place], good[:place] + b"\xff" + good[place + 1 :]):
            with contextlib.suppress(BackendError):
                read_graph(content, "m.npz")
