"""Arrays in NumPy's ``.npy`` format, read out of a zip archive that is not to be trusted.

`numpy.load` evaluates a header's text, warns, and allocates what a header claims. Here a header has
to be the one that `numpy.save` writes for a plain array, and its shape is held against the bytes
that are there; nothing is unpickled.
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
    """Read an array of a ``.npz`` file.

    Parameters
    ----------
    archive : ZipFile
        Whoever opens it sees to it that its members are not larger than they may be.
    name : str
        The member, with ``.npy``.
    dtype : {"float32", "float64", "int16", "int64"}
        What it has to hold.

    Returns
    -------
    values : np.ndarray
        Not writable.

    Raises
    ------
    ConfigError
        If it is another type's or no array of NumPy's format 1.0, or has more or fewer bytes than
        its shape says.
    KeyError
        If there is none of this name.
    """
    content = archive.read(name)
    stored = np.dtype(dtype).newbyteorder("<")
    header = _HEADER.match(content)
    if (
        header is None
        or header["type"].decode() != stored.str
        or int.from_bytes(header["length"], "little") != header.end() - 10
    ):
        raise ConfigError(f"{name} is not {dtype} in NumPy's format 1.0")
    shape = tuple(int(size) for size in re.findall(rb"[0-9]+", header["shape"]))
    if stored.itemsize * math.prod(shape) != len(content) - header.end():
        raise ConfigError(f"{name} has {len(content)} bytes, which is not {shape} numbers")
    values = np.frombuffer(content, stored, offset=header.end())
    return values.astype(dtype, copy=False).reshape(shape)
