"""The KEDA external scaler: serves over gRPC what the loop writes on a board. It decides nothing."""
