"""The kernels of CUDA devices: tables, the compiler of NVIDIA's drivers, and launches."""
