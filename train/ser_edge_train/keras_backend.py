"""Keras on TensorFlow, kept quiet. Everything that needs either takes it from here.

The environment has to be set ahead of the first import, which costs seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator

__all__ = ["keep_memory", "keras", "quiet_stderr", "set_seed", "tf"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_memory() -> None:
    """Keep a step's tensors from going back to the system, to be mapped and cleared in the next.

    That is 14 000 page faults a step, which take as long as the arithmetic. TensorFlow 2.21 undoes
    it with the first data that a Python generator gives (``ApplyPython311MemoryPatch``), so it is
    to be called after that as well.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(parameter, 2**31 - 1)
        mallopt(_M_ARENA_MAX, 1)


keep_memory()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what C++ code writes to stderr, and let it out only where the block fails."""
    saved = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(saved, log.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


with quiet_stderr():
    import keras
    import tensorflow as tf

    tf.zeros(1)  # the first operation is announced too

# That functions are traced again, for the next of several networks, concerns nobody.
tf.get_logger().setLevel("ERROR")


def set_seed(seed: int) -> None:
    """Make what follows repeatable on one machine: Python, NumPy, TensorFlow and its kernels."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
