"""The only wiring: everything real is chosen here, once a process, and nothing at import."""
