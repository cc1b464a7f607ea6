"""The tests that run on a device.

Left out are those of librosa, TensorFlow, servers and threads, and of the machine and of crashes,
where the emulator answers instead of the device. Those of files and of commands take an emulator
many minutes and have little to do with the processor: they run when all are asked for, and so does
everything on a second Debian of the same processor.
"""

COMPUTING = (
    *("adaptation", "backends", "classifier", "frontend", "interpolation", "numeric"),
    *("pitch", "pretrained", "resample_stream", "rolling", "stream", "tflite", "window"),
)
REST = (
    *("audio", "bundle", "cli", "cli_predict", "course", "decode", "diagnosis", "feature_config"),
    *("graph_file", "info", "limits", "listen", "porting", "runtime_imports", "selection"),
    *("source", "stretches", "trial", "verify", "wav"),
)
# Of those: what the emulator says of a crash, and has for threads and programs, comes in between.
EMULATOR_ANSWERS = (
    "test_classifier.py::test_threads_share_a_classifier",
    "test_cli_predict.py::test_one_thread_does_all",
    "test_stream.py::test_threads_may_share_it",
    "test_isolated.py::test_imports_that_do_not_work",
    "test_isolated.py::test_what_a_job_told_is_kept",
    "test_isolated.py::test_where_no_process_can_be_started",
    "test_verify.py::test_an_interpreter_that_does_not_work",
)
