"""The native engine of the CPU."""
