"""The wiring of the inquiry: channels are asked what became of what they took, and the rows say so."""

import asyncio

from tocsin.bootstrap import delivery, feedback, resources
from tocsin.delivery.inquiry import Inquired, inquire


def run_inquiry(context: resources.LambdaContext) -> Inquired | None:
    """Ask once about all that is due, unless another worker does."""
    return asyncio.run(inquire_once(context))


async def inquire_once(context: resources.LambdaContext) -> Inquired | None:
    """Ask, in a running event loop. A paused stack asks nobody."""
    if resources.settings().is_paused:
        return None
    async with delivery.open_channels() as channels:
        return await inquire(
            delivery.lease("inquiry", context),
            resources.table(),
            channels.fate,
            feedback.take,
            now=resources.now(),
            remaining=resources.worker(context).remaining,
        )
