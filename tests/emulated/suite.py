"""The tests that run on a device.

Tests of librosa, TensorFlow, servers and threads are left out, and those of the machine and of
crashes, which would test the emulator. Tests of files and commands take many minutes under
emulation and depend little on the processor, so only ``--all-tests`` runs them. The same holds for
all tests on a second Debian release for the same processor.
"""

COMPUTING = (
    *("adaptation", "backends", "classifier", "frontend", "interpolation", "numeric"),
    *("pitch", "pretrained", "resample_stream", "rolling", "stream", "tflite", "window"),
)
REST = (
    *("audio", "bundle", "cli", "cli_predict", "decode", "diagnosis", "feature_config"),
    *("graph_file", "info", "isolated", "limits", "listen", "porting", "runtime_imports"),
    *("segments", "selection", "source", "timeline", "verify", "wav"),
)
# Tests that see the emulator's crashes, threads or processes instead of the device's.
DESELECTED = (
    "test_classifier.py::test_threads_share_a_classifier",
    "test_cli_predict.py::test_one_thread_does_all",
    "test_stream.py::test_threads_may_share_it",
    "test_isolated.py::test_imports_that_do_not_work",
    "test_isolated.py::test_reports_are_kept",
    "test_isolated.py::test_no_process_can_be_started",
    "test_verify.py::test_an_interpreter_that_does_not_work",
)
