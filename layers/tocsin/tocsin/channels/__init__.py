"""The ways out: one module a channel, and the registry."""
