"""Keras on TensorFlow, without log output. All other modules import both from here.

Environment variables have to be set before the first import, which takes seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator

from ser_edge.errors import SerEdgeError

__all__ = ["keep_memory", "keras", "quiet_stderr", "set_seed", "tf"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h


def keep_memory() -> None:
    """Make malloc keep freed memory, instead of returning it to the system after every step.

    Mapping it again costs 14 000 page faults a step, as much time as the arithmetic. TensorFlow
    2.21 resets this with the first batch of a Python generator (``ApplyPython311MemoryPatch``), so
    call this again after the first batch.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(parameter, 2**31 - 1)
        mallopt(_M_ARENA_MAX, 1)


keep_memory()

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Suppress what C++ code writes to stderr; print it if the block fails."""
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

    tf.zeros(1)  # the first operation logs too

if keras.config.backend() != "tensorflow":
    raise SerEdgeError(
        f"this process has imported Keras with the backend {keras.config.backend()}, expected "
        "tensorflow",
        "import ser_edge_train before Keras, or unset KERAS_BACKEND",
    )
# Of the user's keras.json.
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
keras.config.set_image_data_format("channels_last")
keras.config.set_epsilon(1e-7)

# No warning that functions are traced again for each network of an ensemble.
tf.get_logger().setLevel("ERROR")


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and use deterministic kernels: repeatable on a machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
