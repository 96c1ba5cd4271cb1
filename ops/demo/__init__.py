"""`make demo`: the story of a receiver's outage, told by the deployed stack itself and watched from outside."""
