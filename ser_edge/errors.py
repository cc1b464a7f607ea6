"""What ser-edge raises for input that it cannot use.

Every message is one sentence that says what was wrong, with the value, what was expected and what
to do; the command line prints it as it stands and exits with 1.
"""


class SerEdgeError(Exception):
    """Base of everything that ser-edge raises on purpose."""


class AudioError(SerEdgeError, ValueError):
    """A recording that cannot be read or that holds nothing to classify."""


class BundleError(SerEdgeError):
    """A bundle that is damaged, foreign or made for another version of ser-edge."""


class BackendError(SerEdgeError):
    """An interpreter that is missing, or that refuses a model or an input."""


class ConfigError(SerEdgeError, ValueError):
    """A setting outside its legal range."""
