"""The PyTorch backend's names."""
