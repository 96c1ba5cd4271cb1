"""The operator's browser, where there is one with a window of its own."""

import os
import sys
import webbrowser

WINDOWS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Who has one of these has a browser with a window, or has chosen one."""


def opened(url: str) -> bool:
    """Open a page in the browser; False where there is none, or none that has a window of its own.

    On a machine without a display, over SSH for one, `webbrowser` would start a text browser, which takes the terminal.
    """
    if sys.platform.startswith("linux") and not any(map(os.environ.get, WINDOWS)):
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
