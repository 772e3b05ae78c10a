"""Hosts and their slots, as ``-H`` and host discovery scripts write them."""

import dataclasses
import ipaddress
import socket

__all__ = ["Host", "parse_host", "parse_hosts"]


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    slots: int


def _is_here(name: str) -> bool:
    if name in ("localhost", socket.gethostname(), socket.getfqdn()):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def parse_host(text: str, slots: int = 1) -> Host:
    """Read ``name`` or ``name:slots``.

    Raises
    ------
    ValueError
        When it is not that, or not this machine: only its processes can be started here.
    """
    name, colon, number = text.strip().rpartition(":")
    if not colon:
        name, number = text.strip(), str(slots)
    if not name or not number.isdigit() or int(number) < 1:
        raise ValueError(f'"{text}" is not a host, or host:slots such as localhost:4')
    if not _is_here(name):
        raise ValueError(
            f'host "{name}" is not this machine; several machines are a training job '
            "(regatta submit) with one replica for each rank"
        )
    return Host(name, int(number))


def parse_hosts(text: str) -> list[Host]:
    """Read a list such as ``localhost:2,127.0.0.2:2``."""
    return [parse_host(part) for part in text.split(",") if part.strip()]
