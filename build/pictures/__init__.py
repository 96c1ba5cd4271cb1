"""The pictures of the documentation: what each channel's message looks like, drawn from the message that it sends.

    PYTHONPATH=layers/tocsin python -m build.pictures [slack teams …]

Needs `chromium`, and for Teams node's package manager. A channel is a module here that has `page()`, its HTML, and
`SIZE`, in CSS pixels; its name in `CHANNELS` is that of its picture.
"""
