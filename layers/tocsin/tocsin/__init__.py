"""Tocsin: alerts that are never silently dropped. Each package may import those below it, and the linter holds that.

bootstrap   the only wiring: everything real is chosen here
storage     the tables: the only place that knows DynamoDB
sources     where certificates come from
expiry      when a certificate alerts, and whether that is still true
inventory   what is watched, and who is told
channels    the ways out                                       (beside inventory: neither knows the other)
delivery    the life of one notification
network     where we may connect, and how we wait

Beside them: `settings` reads the environment, `observability` writes logs and metrics; `errors` and `text` are for all.
"""
