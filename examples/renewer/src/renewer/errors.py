"""What goes wrong, by the names that the state machine knows."""


class AuthorityBusyError(Exception):
    """The authority could not be reached, or asked to come back later. The step is tried again."""


class RefusedError(Exception):
    """Somebody said no, and will say it again; the message says who, and why."""


class OrderSpentError(Exception):
    """The order was finalized by an attempt that died with its key: another order is needed."""


class JobIsOverError(Exception):
    """Tocsin has no such job, or it was cancelled: there is nothing to do."""


class TocsinUnreachableError(Exception):
    """Tocsin's API could not be reached, or had a problem of its own. The step is tried again."""
