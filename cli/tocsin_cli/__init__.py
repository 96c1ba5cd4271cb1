"""Tocsin's command line: list, understand and mend notifications from a terminal, a browser or an assistant.

It speaks to the stack's HTTP API with the operator's own AWS credentials, and needs nothing of the layer.
"""
