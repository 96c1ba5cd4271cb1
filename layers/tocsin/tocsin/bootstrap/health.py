"""How each channel does: what is configured, and what is known of its circuits."""

from dataclasses import dataclass

from tocsin.bootstrap import delivery
from tocsin.delivery.channel_name import ChannelKind, ChannelName
from tocsin.delivery.circuit import Circuit, State

_LISTED = 100
"""Circuits that are shown: more than that hang or wait only where nothing works any more."""
_WORST = (State.HELD, State.OPEN, State.CLOSED)


@dataclass(frozen=True, slots=True)
class Health:
    """How one channel does."""

    name: ChannelName
    configured: bool
    known: Circuit
    """What is known of the channel as a whole: its latest delivery and failure."""
    circuits: tuple[tuple[Circuit, int], ...]
    """Those that somebody looks at, and how many rows wait for each."""

    @property
    def state(self) -> State:
        """Give the worst of its circuits."""
        states = {circuit.state for circuit, _waiting in self.circuits}
        return next((state for state in _WORST if state in states), State.CLOSED)


def health_of_channels() -> list[Health]:
    """Give the default channel of each kind, those with a name, and those that something waits for."""
    circuits = delivery.circuits()
    configured = delivery.configured_channels()
    listed = circuits.listed(_LISTED)
    names = sorted({*map(ChannelName, ChannelKind), *configured, *(circuit.channel for circuit in listed)})
    known = circuits.read(names)
    waiting = [(circuit, circuits.count_waiting(circuit.name)) for circuit in listed]
    return [
        Health(
            name,
            name in configured,
            known.get(name, Circuit(name=name)),
            tuple((circuit, count) for circuit, count in waiting if circuit.channel == name),
        )
        for name in names
    ]
