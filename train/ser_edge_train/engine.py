"""Keras on TensorFlow, kept quiet. Everything that needs either takes it from here.

The environment has to be set ahead of the first import, which costs seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator

__all__ = ["keras", "quiet_stderr", "set_seed", "tf"]

# Of glibc's malloc.h. A step's tensors go back to the system else, to be mapped and cleared anew in
# the next: 21 000 page faults a step, which took as long as the arithmetic.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
    _mallopt = ctypes.CDLL(None).mallopt
    for _parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
        _mallopt(_parameter, 2**31 - 1)
    _mallopt(_M_ARENA_MAX, 1)

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
