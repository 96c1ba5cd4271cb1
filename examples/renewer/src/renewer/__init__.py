"""A renewer for Tocsin: it answers the event `Renewal Requested` with a certificate of an ACME authority.

`steps` has a handler for each step of the state machine; the other modules are what they are made of.
"""
