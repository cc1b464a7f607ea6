"""Export: a run to TFLite, ONNX and a bundle that was tried. Belongs on a workstation."""
