"""What runs the tables of the strategies beside torch: the native kernels."""
