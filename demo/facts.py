"""What a telling left behind, counted where it can be counted from outside."""

from collections import Counter

from demo.world import World


def facts(world: World) -> list[str]:
    """The counts, a line for each place where they were taken."""
    states = Counter(row.state for row in world.rows.values())
    answered = Counter(seen.status for seen in world.received)
    ids = {seen.request.headers.get("webhook-id") for seen in world.received}
    attempts = sum(len(row.attempts) for row in world.rows.values())
    return [
        f"API        {len(world.rows)} notifications ({_counts(states)}), {attempts} attempts in their histories",
        f"Receiver   {len(world.received)} requests ({_counts(answered)}), {len(ids)} webhook-ids",
    ]


def _counts(counter: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in counter.most_common())
