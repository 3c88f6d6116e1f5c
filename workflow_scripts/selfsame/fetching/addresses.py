"""Where a dataset's file is asked for, and whither a server may send us on.

Only https; plain http is for servers on this very machine. The hub's address comes from HF_ENDPOINT
where a mirror is used, its token from HF_TOKEN and from nowhere else: it is sent to the hub's own
address, never on to another one, and never written or printed.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from selfsame.errors import UserError

PLACES = ("hub", "url", "path")  # an entry of the registry names one of them
HUB = "https://huggingface.co"
ENDPOINT, TOKEN = "HF_ENDPOINT", "HF_TOKEN"


@dataclass(frozen=True)
class Address:
    """A file's URL; what may be known beforehand: its sha256 in hex, its size in bytes.

    roams: whether the server may send us to any other host, as the hub does to its stores.
    """

    url: str
    sha256: str | None = None
    size_bytes: int | None = None
    roams: bool = False
    token: str | None = field(default=None, repr=False)

    @property
    def is_pinned(self) -> bool:
        """Whether a file that is not the one meant would be noticed."""
        return self.sha256 is not None


def address_of(source: Mapping[str, Any]) -> Address:
    """The address of a dataset's `hub` or `url`, with what the registry knows of the file.

    Raises UserError where HF_ENDPOINT is no address that can be asked.
    """
    known = {"sha256": source["sha256"], "size_bytes": source["bytes"]}
    if "url" in source:
        return Address(source["url"], **known)
    endpoint = os.environ.get(ENDPOINT, HUB).rstrip("/")
    problem = unsafe(endpoint)
    if problem:
        raise UserError(f"{ENDPOINT}: {problem}")
    hub = source["hub"]
    revision = quote(hub["revision"], safe="")
    url = f"{endpoint}/datasets/{quote(hub['id'])}/resolve/{revision}/{quote(hub['file'])}"
    return Address(url, **known, roams=True, token=os.environ.get(TOKEN))


def file_name(source: Mapping[str, Any]) -> str:
    """What a dataset's file is called here: by the dataset, whatever it is called elsewhere."""
    return f"{source['name']}.{source['format']}"


def unsafe(url: str) -> str:
    """Why nothing may be fetched from a URL; empty where it may."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is no URL"
    if parts.username or parts.password:
        return "a URL with a user or password in it is refused; it would stand in logs and results"
    if not host or parts.scheme not in ("https", "http"):
        return "must be a URL that begins with https://"
    if parts.scheme == "http" and not is_here(host):
        return "http:// is refused, as anybody on the way could change the file; give https://"
    return ""


def is_here(host: str) -> bool:
    """Whether a host's name is that of this machine to itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def no_way(address: Address, old: str, new: str) -> str:
    """Why a redirection from one URL to another is not followed; empty where it is."""
    problem = unsafe(new)
    before, after = urlsplit(old), urlsplit(new)
    if problem or (before.scheme == "https" and after.scheme != "https"):
        return f"is redirected to {_named(new)}, which is refused: only https is followed"
    if before.hostname != after.hostname and not (address.roams or address.is_pinned):
        return (
            f"is redirected to another host, {after.hostname}; it is followed where the registry"
            " gives the file's sha256"
        )
    return ""


def _named(url: str) -> str:
    """Scheme and host alone: the rest of a redirection may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


def is_same_origin(one: str, other: str) -> bool:
    """Same scheme, host and port."""
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)
