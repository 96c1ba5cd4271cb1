"""The console: the stack's dashboard on a page of this machine, with the operator's own credentials.

`serving` starts it beside whatever else a program does; `tocsin console` is that and a wait for Ctrl-C.
"""

from tocsin_cli.console.browser import opened
from tocsin_cli.console.server import PortTakenError, serving

__all__ = ["PortTakenError", "opened", "serving"]
