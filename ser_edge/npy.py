"""Read ``.npy`` arrays from an untrusted zip archive.

`numpy.load` evaluates the header's text, warns, and allocates whatever size a header states. This
reader accepts only the header that `numpy.save` writes for a plain array, compares its shape with
the bytes that are there, and unpickles nothing.
"""

from __future__ import annotations

import math
import re
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)"
    rb"\{'descr': '(?P<type><[fi][248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{1,80})\), \} *\n",
    re.DOTALL,
)


def read_array(archive: zipfile.ZipFile, name: str, dtype: str) -> NDArray[Any]:
    """Read the member ``name`` of a ``.npz`` file as a read-only array.

    ``dtype`` is the expected type: float32, float64, int16 or int64. The caller limits the size of
    the archive's members. Raises `ConfigError` if the member has another type or format or its
    size does not match its shape, `KeyError` if there is none.
    """
    content = archive.read(name)
    stored = np.dtype(dtype).newbyteorder("<")
    header = _HEADER.match(content)
    if (
        header is None
        or header["type"].decode() != stored.str
        or int.from_bytes(header["length"], "little") != header.end() - 10
    ):
        raise ConfigError(f"{name} is not an array of {dtype} in NumPy's format 1.0")
    shape = tuple(int(size) for size in re.findall(rb"[0-9]+", header["shape"]))
    n_bytes = stored.itemsize * math.prod(shape)
    if n_bytes != len(content) - header.end():
        raise ConfigError(
            f"{name} has {len(content) - header.end()} bytes of data, expected {n_bytes} for shape "
            f"{shape}"
        )
    values = np.frombuffer(content, stored, offset=header.end())
    return values.astype(dtype, copy=False).reshape(shape)
