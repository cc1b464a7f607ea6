"""``model.float32.npz``: a graph in a file that any language can read.

It is a zip archive, nothing in it compressed, of

- ``graph.json``: ``format`` and ``format_version``; ``input_shape``; ``n_outputs``; and ``ops``, in
  the order in which they are computed, each with ``kind``, ``inputs``, ``output`` and ``settings``
  as `ser_edge.backends.graph.Op` explains them. The first input is named ``input``, the last output
  ``logits``;
- ``{output}.{array}.npy`` for every array of an operation: NumPy's format 1.0, little-endian
  float32, row by row.

`numpy.load` opens it too. It is read without it here, since a file is not to be trusted: every size
is held against the bytes that are there before anything is allocated, and there is no pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from textwrap import shorten
from zipfile import BadZipFile

import numpy as np

from ser_edge.backends.graph import KINDS, Graph, Op
from ser_edge.errors import BackendError, ConfigError
from ser_edge.npy import read_array

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
        The same for the same graph.
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


def read_graph(path: Path) -> Graph:
    """Read a graph's file.

    Parameters
    ----------
    path : Path
        A ``.npz`` file that `graph_bytes` made.

    Returns
    -------
    graph : Graph

    Raises
    ------
    BackendError
        If it is damaged, of another format or version, or its graph cannot be computed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(m.compress_type or m.compress_size != m.file_size for m in members):
                raise ConfigError("is compressed, and was not when it was exported")
            if sum(m.file_size for m in members) > path.stat().st_size:
                raise ConfigError("its members claim more bytes than it has")
            return _graph(archive)
    except KeyError as error:
        reason = f"lacks an entry ({error.args[0]})"
    except TypeError as error:
        reason = f"graph.json has an entry of another type ({error})"
    except (ConfigError, BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = str(error) or type(error).__name__
    raise BackendError(
        f"numpy cannot open {path.name}: {shorten(reason, 200)}; export it again, or choose "
        "another --backend"
    )


def _graph(archive: zipfile.ZipFile) -> Graph:
    layout = json.loads(archive.read("graph.json"))
    found = layout["format"], layout["format_version"]
    if found != (FORMAT, FORMAT_VERSION):
        raise ConfigError(f"is {found}; expected {(FORMAT, FORMAT_VERSION)}")
    outputs = [entry["output"] for entry in layout["ops"]]
    if len(set(outputs)) < len(outputs):  # else one array could be read any number of times
        raise ConfigError("two operations make the same tensor")
    ops = []
    for entry in layout["ops"]:
        kind, output = entry["kind"], entry["output"]
        names = [name for name, _ in KINDS[kind].arrays] if kind in KINDS else []
        arrays = {name: read_array(archive, f"{output}.{name}.npy", "float32") for name in names}
        ops.append(Op(kind, tuple(entry["inputs"]), output, arrays, dict(entry["settings"])))
    return Graph(tuple(layout["input_shape"]), layout["n_outputs"], tuple(ops))
