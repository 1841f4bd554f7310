"""Secrets do not get out, and figures do."""

import pytest

from autoscaler.telemetry.redact import MASK, redact, redact_mapping


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pa55@host:9090/path", f"http://{MASK}@host:9090/path"),
        ("got https://t0ken@host and http://a:b@c", f"got https://{MASK}@host and http://{MASK}@c"),
        ("http://user:p@55@host/", f"http://{MASK}@host/"),
        ("http://host:9090/a@b?c=d@e", "http://host:9090/a@b?c=d@e"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: {MASK}"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", f"{{'Authorization': '{MASK}'}}"),
        ("sent bearer 0123456789abcdef", f"sent bearer {MASK}"),
        ("/query?token=abc&step=60", f"/query?token={MASK}&step=60"),
        ("a token eyJhbGciOi.eyJzdWIi.c2ln was", f"a token {MASK} was"),
        ("prompt_tokens=12 tokens=7", "prompt_tokens=12 tokens=7"),
        ("a basic misunderstanding", "a basic misunderstanding"),
    ],
)
def test_text(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_nested_values() -> None:
    assert redact_mapping(
        {
            "token": "abc",
            "X-Api-Key": "abc",
            "client_secret": "abc",
            "decode_seconds_per_token": 0.02,
            "prompt_tokens": "12",
            "headers": {"Authorization": "abc", "Accept": "text/plain"},
            "urls": ["http://a:b@c", ("http://a:b@d",)],
            "count": 3,
            "none": None,
        }
    ) == {
        "token": MASK,
        "X-Api-Key": MASK,
        "client_secret": MASK,
        "decode_seconds_per_token": 0.02,
        "prompt_tokens": "12",
        "headers": {"Authorization": MASK, "Accept": "text/plain"},
        "urls": [f"http://{MASK}@c", [f"http://{MASK}@d"]],
        "count": 3,
        "none": None,
    }
