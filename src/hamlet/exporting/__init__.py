"""Export of a trained team's policies as files that work without Hamlet: NumPy, ONNX and StableHLO."""
