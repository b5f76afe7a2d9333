"""Which addresses and hosts webhooks may go to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from services.settings import Settings
from services.webhooks.hosts import ForbiddenTarget, Hosts, is_public, parse_target
from services.webhooks.signing import sign


def test_signatures_are_those_of_standard_webhooks() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of its specification
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-signature"] == expected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
        "ff02::1",
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("names", "url", "is_allowed"),
    [
        ("hooks.example.com", "https://hooks.example.com/x", True),
        ("hooks.example.com", "https://HOOKS.example.com./x", True),
        ("a.example,*.example.com", "https://hooks.example.com", True),
        ("*.example.com", "https://example.com", False),
        ("*.example.com", "https://badexample.com", False),
        ("hooks.example.com:8443", "https://hooks.example.com:8443", True),
        ("hooks.example.com:8443", "https://hooks.example.com", False),
        ("hooks.example.com", "https://hooks.example.com:22", False),
        ("", "https://hooks.example.com", False),
    ],
)
def test_names(names: str, url: str, is_allowed: bool) -> None:
    hosts = Hosts.from_texts(names, "")
    if is_allowed:
        hosts.check(parse_target(url))
    else:
        with pytest.raises(ForbiddenTarget):
            hosts.check(parse_target(url))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"webhook_secret": ""}, "webhook_secret"),
        ({"webhook_secret": "whsec_c2hvcnQ="}, "at least 24 bytes"),
        ({"webhook_networks": "10.0.0.0/33"}, "webhook_networks"),
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, str], message: str) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with pytest.raises(ValueError, match=message):
        Settings(**{"webhook_hosts": "a.example", "webhook_secret": secret, **fields})
