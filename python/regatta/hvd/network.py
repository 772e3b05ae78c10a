"""The address at which other hosts reach this process."""

import fcntl
import os
import socket
import struct

__all__ = ["address_of", "choose_address"]

_SIOCGIFADDR = 0x8915


def address_of(interface: str) -> str:
    """Return the IPv4 address of a network interface.

    Raises
    ------
    ValueError
        When there is no such interface, or it has no address; the text lists those there are.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        name = struct.pack("256s", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, name)
        except OSError:
            known = ", ".join(name for _, name in socket.if_nameindex())
            raise ValueError(
                f"HOROVOD_GLOO_IFACE={interface}: no such interface, or it has no IPv4 address; "
                f"interfaces are {known}"
            ) from None
    return socket.inet_ntoa(answer[20:24])


def choose_address(interface: str) -> None:
    """Set ECCL_HOST, unless it is set: that of the interface, else the way to the master."""
    if os.environ.get("ECCL_HOST"):
        return
    if interface:
        os.environ["ECCL_HOST"] = address_of(interface)
        return
    master = os.environ.get("ECCL_MASTER_ADDR") or os.environ.get("MASTER_ADDR")
    if not master:
        return
    try:
        found = socket.getaddrinfo(master, 9, socket.AF_INET, socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(found[0][4])  # sends nothing; asks which way a packet would take
            os.environ["ECCL_HOST"] = probe.getsockname()[0]
    except OSError:
        return  # libeccl's own message about the master is the better one
