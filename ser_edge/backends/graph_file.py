"""``model.float32.npz``: a graph as a file that any language can read.

An uncompressed zip archive of

- ``graph.json``: ``format`` and ``format_version``; ``input_shape``; ``n_outputs``; and ``ops``, in
  the order in which they are computed, each with ``kind``, ``inputs``, ``output`` and ``settings``
  as `ser_edge.backends.graph.Op` describes. The first input is named ``input``, the last output
  ``logits``;
- ``{output}.{array}.npy`` for every array of an operation: NumPy's format 1.0, little-endian
  float32, in C order.

`numpy.load` opens it too. This module does not use it, since a file may be hostile: every size is
compared with the bytes in the file before anything is allocated, and nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from textwrap import shorten
from zipfile import BadZipFile

import numpy as np

from ser_edge.backends.graph import KINDS, Graph, Op
from ser_edge.backends.interpreters import refusal
from ser_edge.errors import ConfigError, error_source, first_line
from ser_edge.npy import read_array
from ser_edge.versioned_json import parse_versioned_json

FORMAT = "ser-edge-graph"
FORMAT_VERSION = 1


def graph_bytes(graph: Graph) -> bytes:
    """Return the content of a graph's file.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    content : bytes
        Equal for equal graphs.
    """
    layout = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "input_shape": graph.input_shape,
        "n_outputs": graph.n_outputs,
        "ops": [
            {"kind": o.kind, "inputs": o.inputs, "output": o.output, "settings": o.settings}
            for o in graph.ops
        ],
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        with archive.open("graph.json", "w") as member:
            member.write(json.dumps(layout, indent=1).encode())
        for op in graph.ops:
            for name, array in op.arrays.items():
                with archive.open(f"{op.output}.{name}.npy", "w") as member:
                    np.save(member, np.ascontiguousarray(array, "<f4"), allow_pickle=False)
    return content.getvalue()


def read_graph(content: bytes, source: str | os.PathLike[str]) -> Graph:
    """Read a graph's file.

    Parameters
    ----------
    content : bytes
        What `graph_bytes` made.
    source : path
        The file, for messages; it is not read.

    Returns
    -------
    graph : Graph

    Raises
    ------
    BackendError
        If the file is damaged, of another format or version, or its graph cannot be computed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(m.compress_type or m.compress_size != m.file_size for m in members):
                raise ConfigError("the archive is compressed, expected an uncompressed one")
            if sum(m.file_size for m in members) > len(content):
                raise ConfigError("the archive's members claim more bytes than it has")
            return _graph(archive)
    except KeyError as error:
        reason = f"an entry is missing ({error.args[0]})"
    except TypeError as error:
        reason = f"an entry of graph.json has the wrong type ({error})"
    except (ConfigError, BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = first_line(error)
    raise refusal("numpy cannot open it", ValueError(shorten(reason, 200)), source)


def _graph(archive: zipfile.ZipFile) -> Graph:
    text = archive.read("graph.json")
    with error_source("graph.json"):
        layout = parse_versioned_json(text, FORMAT, FORMAT_VERSION, remedy="", error=ConfigError)
    outputs = [entry["output"] for entry in layout["ops"]]
    if len(set(outputs)) < len(outputs):  # otherwise one array could be read any number of times
        raise ConfigError("two operations have the same output")
    ops = []
    for entry in layout["ops"]:
        kind, output = entry["kind"], entry["output"]
        names = [name for name, _ in KINDS[kind].arrays] if kind in KINDS else []
        arrays = {name: read_array(archive, f"{output}.{name}.npy", "float32") for name in names}
        ops.append(Op(kind, tuple(entry["inputs"]), output, arrays, dict(entry["settings"])))
    return Graph(tuple(layout["input_shape"]), layout["n_outputs"], tuple(ops))
