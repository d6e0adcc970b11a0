"""Readers of fitted models, one module a library: the only places that know a library."""
