"""The kernel's address beside ours."""

import pytest

from lastack.services.addresses import kernel_addresses, neighbour, parse_interface


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("10.9.0.2/24", "10.9.0.1/24"),
        ("10.9.0.1/24", "10.9.0.2/24"),
        ("10.9.7.5/16", "10.9.0.1/16"),
        ("10.0.0.0/31", "10.0.0.1/31"),
        ("10.0.0.1/31", "10.0.0.0/31"),
        ("fd00:9::2/64", "fd00:9::1/64"),
        ("fd00:9::1/64", "fd00:9::2/64"),
    ],
)
def test_the_kernel_gets_the_first_other_address(ours: str, theirs: str) -> None:
    """It stands in the same network, so that its route leads to us."""
    assert neighbour(parse_interface(ours)) == theirs


@pytest.mark.parametrize(
    "text",
    ["10.9.0.2", "10.9.0.0/24", "10.9.0.255/24", "x/24", "127.0.0.1/8", "::/64", "224.0.0.1/4"],
)
def test_what_is_no_address_of_a_host_is_refused(text: str) -> None:
    """Bad input: a clear error."""
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        parse_interface(text)


def test_a_wanted_address_takes_the_place_of_the_neighbour() -> None:
    """--kernel-address, with or without its prefix length."""
    ours = [parse_interface("10.9.0.2/24"), parse_interface("fd00:9::2/64")]
    assert kernel_addresses(ours, []) == ["10.9.0.1/24", "fd00:9::1/64"]
    assert kernel_addresses(ours, ["10.9.0.9"]) == ["10.9.0.9/24", "fd00:9::1/64"]
    assert kernel_addresses(ours, ["fd00:9::5/64"]) == ["fd00:9::5/64", "10.9.0.1/24"]


@pytest.mark.parametrize("wanted", ["10.9.0.2", "fd00::1", "nonsense"])
def test_a_wanted_address_must_fit_ours(wanted: str) -> None:
    """Ours is not the kernel's, and it talks to us in a family that we have."""
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        kernel_addresses([parse_interface("10.9.0.2/24")], [wanted])


@pytest.mark.parametrize("text", ["10.9.0.2/32", "fd00::1/128"])
def test_a_network_of_one_has_no_neighbour(text: str) -> None:
    """The kernel could not reach us."""
    with pytest.raises(ValueError, match="leaves the kernel no address"):
        neighbour(parse_interface(text))
