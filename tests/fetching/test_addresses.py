"""Which addresses are asked, and which redirections are followed."""

import pytest

from selfsame.fetching.addresses import Address, no_way, unsafe


@pytest.mark.parametrize(
    ("old", "new", "is_followed"),
    [
        ("https://a.org/x", "https://a.org/y", True),
        ("https://a.org/x", "https://b.org/x", False),
        ("https://a.org/x", "http://a.org/x", False),
        ("https://a.org/x", "http://127.0.0.1/x", False),
        ("http://127.0.0.1/x", "https://127.0.0.1/x", True),
        ("https://a.org/x", "https://user:word@a.org/x", False),
        ("https://a.org/x", "https://a.org.evil.net/x", False),
    ],
)
def test_which_redirections_are_followed(old: str, new: str, is_followed: bool) -> None:
    assert (not no_way(Address(old), old, new)) == is_followed


def test_a_pinned_file_may_come_from_anywhere_but_not_in_the_clear() -> None:
    address = Address("https://a.org/x", sha256="0" * 64)
    assert not no_way(address, address.url, "https://b.org/x")
    assert no_way(address, address.url, "http://b.org/x")
    assert "secret" not in no_way(address, address.url, "http://b.org/x?signature=secret")


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://a.org/x", "https://", "x.jsonl", "https://u:p@a.org/x"]
)
def test_addresses_that_are_not_asked(url: str) -> None:
    assert unsafe(url)
