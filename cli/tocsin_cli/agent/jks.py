"""Java's own key stores, JKS and JCEKS: their certificates are in the clear, and the keys are stepped over unread.

Sources: OpenJDK, sun.security.provider.JavaKeyStore.engineLoad and com.sun.crypto.provider.JceKeyStore.engineLoad:
numbers are big-endian; after the magic number the version and how many entries follow, each with its kind, name and
time. The digest at the end is of a password, and proves nothing that matters here: it is not checked.
"""

from collections.abc import Iterator

from tocsin_cli.agent.contents import Contents, Held, UnreadableError
from tocsin_cli.agent.opened import Opened

MAGIC = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}
_PRIVATE_KEY, _CERTIFICATE, _SECRET_KEY = 1, 2, 3
_TIME = 8
"""Bytes of an entry's time."""


def read_jks(file: Opened) -> Contents:
    """Read the certificates of a store: those of authorities, and each key's chain."""
    contents = Contents()
    store = _Store(file)
    try:
        contents.held += store.entries()
    except UnreadableError as error:
        contents.held += store.read
        contents.problems.append(str(error))
    return contents


class _Store:
    """A place in a store, which only moves ahead."""

    def __init__(self, file: Opened) -> None:
        self._file = file
        self._at = 4
        self.read: list[Held] = []
        """What was read before something could not be."""

    def entries(self) -> list[Held]:
        version, count = self._number(4), self._number(4)
        if version not in (1, 2):
            raise UnreadableError("it is a key store of an unknown version")
        for _ in range(count):  # each takes some bytes, so that the end of the file ends this
            self.read += self._entry(version)
        read, self.read = self.read, []
        return read

    def _entry(self, version: int) -> Iterator[Held]:
        kind, name = self._number(4), self._text()
        self._step_over(_TIME)
        if kind == _CERTIFICATE:
            yield Held(self._certificate(version), name)
        elif kind == _PRIVATE_KEY:
            self._step_over(self._number(4))  # the key
            for place in range(self._number(4)):
                yield Held(self._certificate(version), name, is_own=place == 0)
        elif kind == _SECRET_KEY:
            raise UnreadableError("a secret key in it has no length, so that what follows it can't be found")
        else:
            raise UnreadableError("it is broken: it has an entry of an unknown kind")

    def _certificate(self, version: int) -> bytes:
        if version == 2:  # noqa: PLR2004 - version 1 has certificates of one type only
            self._text()
        return self._bytes(self._number(4))

    def _text(self) -> str:
        return self._bytes(self._number(2)).decode(errors="replace")

    def _number(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "big")

    def _bytes(self, count: int) -> bytes:
        found = self._file.at(self._at, count)
        self._at += count
        return found

    def _step_over(self, count: int) -> None:
        self._at += count
        if self._at > self._file.size:
            raise UnreadableError("it is cut off, or broken")
