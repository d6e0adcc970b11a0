"""Random configurations of every library on random data, held against the library itself."""
