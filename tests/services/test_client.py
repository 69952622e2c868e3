"""URLs as the client takes them; its bodies are tested with `lastack fetch`."""

import pytest

from lastack.services.client import Url, parse_url


@pytest.mark.parametrize(
    "text, url, authority",
    [
        ("http://10.9.0.1/x", Url("10.9.0.1", 80, "/x"), "10.9.0.1"),
        ("HTTP://10.9.0.1:8000", Url("10.9.0.1", 8000, "/"), "10.9.0.1:8000"),
        ("http://[fd00:9::1]:81/a%20b?q=1#f", Url("fd00:9::1", 81, "/a%20b?q=1"), "[fd00:9::1]:81"),
        ("http://10.9.0.1/ü \r\nX: y", Url("10.9.0.1", 80, "/%C3%BC%20X:%20y"), "10.9.0.1"),
        ("10.9.0.1/x", Url("10.9.0.1", 80, "/x"), "10.9.0.1"),
    ],
)
def test_a_url_is_address_port_and_target(text: str, url: Url, authority: str) -> None:
    """RFC 3986; nothing in it can begin a second header line."""
    assert parse_url(text) == url
    assert url.authority == authority


@pytest.mark.parametrize(
    "text",
    [
        "https://10.9.0.1/",
        "http://example/",
        "http://u@10.9.0.1/",
        "http://[fd00/",
        "http://1.2.3.4:x/",
    ],
)
def test_what_is_no_such_url_is_refused(text: str) -> None:
    """Bad input: a sentence."""
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        parse_url(text)
