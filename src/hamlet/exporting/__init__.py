"""A trained team's policies as files that need no Hamlet: NumPy, ONNX, StableHLO."""
