"""What sktensor costs, in time and memory, and what its peers cost.

A package with a name of its own place: some peers install a top-level ``benchmarks`` that would be found instead.
"""
