"""Which tables run, when, on which device."""
