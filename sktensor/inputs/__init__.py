"""X to features: arrays, sparse matrices, tensors and frames as rows of the forest's columns."""
