"""`make demo`: the story of expiring certificates and an outage, told by the deployed stack, watched from outside."""
