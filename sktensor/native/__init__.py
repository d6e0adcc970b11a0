"""All that knows C: the library of kernels, its interface, and single operations of it."""
