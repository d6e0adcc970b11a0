"""sktensor against its peers on a CPU: ``python -m benchmarks.cpu``."""
