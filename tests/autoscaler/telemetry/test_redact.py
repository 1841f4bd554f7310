"""Secrets do not get out, and figures do."""

import io
from dataclasses import dataclass

import pytest
import structlog

from autoscaler.telemetry import logs
from autoscaler.telemetry.redact import MASK, redact, redact_mapping, redact_url

JWT = "eyJhbGciOi.eyJzdWIi.c2ln"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpA\nIBAAKC\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # URLs
        ("http://user:pa55@host:9090/path", f"http://{MASK}@host:9090/path"),
        ("got https://t0ken@host and http://a:b@c", f"got https://{MASK}@host and http://{MASK}@c"),
        ("http://user:p@55@host/", f"http://{MASK}@host/"),
        ("http://user:p/55@host/path", f"http://{MASK}@host/path"),
        ("http://user:p/a@55@host/path", f"http://{MASK}@host/path"),
        ("http://user:p%2F%40%3A55@host/", f"http://{MASK}@host/"),
        ("http://user:p?5#5@host/", f"http://{MASK}@host/"),
        ("http://:pa55@host/", f"http://{MASK}@host/"),
        ("http://user:@host/", f"http://{MASK}@host/"),
        ("http://user:9090@host/", f"http://{MASK}@host/"),
        ("postgresql+psycopg://u:p'5@db:5432/x", f"postgresql+psycopg://{MASK}@db:5432/x"),
        ("'http://user:pa55@host' at a@b", f"'http://{MASK}@host' at a@b"),
        # headers
        ("Authorization: Bearer abc.def-ghi", f"Authorization: {MASK}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {MASK}"),
        ('Proxy-Authorization: Digest username="u", response="6629"', f"Proxy-Authorization: {MASK}"),
        ("sent Authorization: token abc, Accept: text/plain", f"sent Authorization: {MASK}, Accept: text/plain"),
        ("curl -H 'Authorization: Bearer abc' http://h/", f"curl -H 'Authorization: {MASK}' http://h/"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", f"{{'Authorization': '{MASK}'}}"),
        ("((b'authorization', b'Basic dXNl'), (b'accept', b'*/*'))", f"((b'authorization', b'{MASK}'), (b'accept', b'*/*'))"),
        ("sent bearer 0123456789abcdef", f"sent bearer {MASK}"),
        ("X-API-Key: abc def", f"X-API-Key: {MASK}"),
        ("with x-api-key=abc", f"with x-api-key={MASK}"),
        ("GET / Cookie: session=abc; theme=dark", f"GET / Cookie: {MASK}"),
        ("Set-Cookie: session=abc; HttpOnly\nAccept: a", f"Set-Cookie: {MASK}\nAccept: a"),
        ("<CIMultiDict('X-Api-Key': 'abc', 'Accept': 'a')>", f"<CIMultiDict('X-Api-Key': '{MASK}', 'Accept': 'a')>"),
        # names and values
        ("/query?token=abc&step=60", f"/query?token={MASK}&step=60"),
        ("/query?a=1&sig=ab%2Fc&b=2", f"/query?a=1&sig={MASK}&b=2"),
        ("/blob?X-Amz-Signature=abc&b=2", f"/blob?X-Amz-Signature={MASK}&b=2"),
        ("api_token=abc, step=60", f"api_token={MASK}, step=60"),
        ("OUTRIDER_API_TOKEN=abc next", f"OUTRIDER_API_TOKEN={MASK} next"),
        ("PGPASSWORD=a,b;c host=x", f"PGPASSWORD={MASK} host=x"),
        ("Server=x;Password=abc;User=y", f"Server=x;Password={MASK};User=y"),
        ("password = 'two words' and more", f"password = '{MASK}' and more"),
        ("password='it\\'s this' and more", f"password='{MASK}' and more"),
        ("password='no end", f"password='{MASK}"),
        ("password=12345678", f"password={MASK}"),
        ("password: 1234", f"password: {MASK}"),
        ("pwd=abc", f"pwd={MASK}"),
        ('{"client_secret": "a b", "id": "x"}', f'{{"client_secret": "{MASK}", "id": "x"}}'),
        ('{"clientSecret":"abc","id":"x"}', f'{{"clientSecret":"{MASK}","id":"x"}}'),
        (r'body: "{\"refresh_token\": \"a b\", \"id\": 1}"', rf'body: "{{\"refresh_token\": \"{MASK}\", \"id\": 1}}"'),
        ("aws_secret_access_key = wJalr/K7+bPx", f"aws_secret_access_key = {MASK}"),
        ("  password: two words\n  user: me", f"  password: {MASK}\n  user: me"),
        ("- name: a\n- client-key-data: abc=\n", f"- name: a\n- client-key-data: {MASK}\n"),
        ("Login(user='me', token='abc', retries=3)", f"Login(user='me', token='{MASK}', retries=3)"),
        ("Login(password=b'a b', retries=3)", f"Login(password=b'{MASK}', retries=3)"),
        ("run plugin --token abc --region eu", f"run plugin --token {MASK} --region eu"),
        # shapes
        (f"a token {JWT} was", f"a token {MASK} was"),
        ("key AKIAIOSFODNN7EXAMPLE is", f"key {MASK} is"),
        ("hf_abcdefghijklmnopqrstuv", MASK),
        ("sk-proj-abcdefghijklmnop1", MASK),
        ("ghp_abcdefghijklmnopqrstuv", MASK),
        (f"read {PEM} from", f"read {MASK} from"),
        (f"read {PEM!r} from", f"read '{MASK}' from"),
        (f"read {PEM[:40]}", f"read {MASK}"),
        ("data LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1J= end", f"data {MASK} end"),
    ],
)  # fmt: skip
def test_text(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host:9090/a@b?c=d@e",
        "http://prometheus.monitoring:9090/api/v1/query?query=sum(up)",
        "GET /api/v1/pods: 403 pods is forbidden",
        "prompt_tokens=12 tokens=7",
        "max_tokens: 5",
        "'output_tokens': 220",
        "token_count=4096",
        "tokenizer='meta-llama/Llama-3.1-8B'",
        "tokenizer_mode: auto",
        "decode_seconds_per_token=0.02",
        "generation_token=12, then",
        "{'first_token': 0.25}",
        "vllm:prompt_tokens_total{model_name=\"a\"} 12",
        "token=None password=None",
        "{'token': None}",
        "a basic misunderstanding of Bearer Authentication",
        "secret \"outrider-tls\" not found",
        "secretName: outrider-tls",
        "PWD=/root",
        "the password was refused",
        "image vllm/vllm-openai:v0.8@sha256:0123456789abcdef",
        "user@example.com wrote at 09:30",
        "tls_key=/etc/tls/tls.key",
        "key=value",
        "keyboard: us",
        "sk-learn-like-name-here",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        *("a", " ", "\n", "\t", "\\", "'", '\\"', "a.", "-", "--", "- ", "x-", "@", "://", "a://b:", "a://b@", "eyJ", "eyJ."),
        *("token", "token=", "token='", "token=,", "token\\'=", "per_token", "--a-token ", "password: ", "basic A", "bearer "),
        *("authorization: ", "cookie:", "sk-", "LS0tLS1CRUdJTi", "-----BEGIN PRIVATE KEY-----"),
    ],
)  # fmt: skip
def test_a_long_text_takes_time_in_proportion(piece: str) -> None:
    """In proportion to its square, one of these texts would take minutes."""
    redact("token" + piece * (300_000 // len(piece)))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://prometheus:9090/path", "http://prometheus:9090/path"),
        ("prometheus", "prometheus"),
        ("http://h/?key=a&auth=b=c&jwt=&x", f"http://h/?key={MASK}&auth={MASK}&jwt=&{MASK}"),
        ("http://h/a#token", f"http://h/a#{MASK}"),
        ("http://u:1234/pa55@h:9090/x", f"http://{MASK}@h:9090/x"),
        ("http://u:1234/pa55@h?pass=b", f"http://{MASK}@h?pass={MASK}"),
        ("u:pa55@h", f"{MASK}@h"),
    ],
)
def test_a_url_of_the_settings_shows_no_value_that_may_be_secret(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_nested_values() -> None:
    assert redact_mapping(
        {
            "token": "abc",
            "X-Api-Key": "abc",
            "client_secret": "abc",
            "clientSecret": b"abc",
            "password": 1234,
            "credentials": {"user": "me"},
            "decode_seconds_per_token": 0.02,
            "token_seconds": "12",
            "prompt_tokens": "12",
            "headers": {"Authorization": "abc", "Accept": "text/plain"},
            "pairs": [("Authorization", "abc"), ("Accept", "text/plain")],
            "urls": ["http://a:b@c", ("http://a:b@d",)],
            "body": b"token=abc&a=1",
            "by_url": {"http://a:b@c": 1, 7: 2},
            "cookie": None,
            "count": 3,
            "none": None,
        }
    ) == {
        "token": MASK,
        "X-Api-Key": MASK,
        "client_secret": MASK,
        "clientSecret": MASK,
        "password": MASK,
        "credentials": MASK,
        "decode_seconds_per_token": 0.02,
        "token_seconds": "12",
        "prompt_tokens": "12",
        "headers": {"Authorization": MASK, "Accept": "text/plain"},
        "pairs": [["Authorization", MASK], ["Accept", "text/plain"]],
        "urls": [f"http://{MASK}@c", [f"http://{MASK}@d"]],
        "body": f"b'token={MASK}&a=1'",
        "by_url": {f"http://{MASK}@c": 1, "7": 2},
        "cookie": None,
        "count": 3,
        "none": None,
    }


@dataclass(frozen=True)
class Login:
    user: str
    password: str


def test_objects_and_chains_of_exceptions_in_a_log_line() -> None:
    out, password = io.StringIO(), "pa55 word"  # the traceback shows the source as it is written
    logs.configure("info", out)
    log = structlog.get_logger()
    try:
        try:
            raise ValueError(Login("me", password), {"token": password})
        except ValueError as error:
            raise OSError(f"no answer from http://me:{password[:2]}/55@host") from error
    except OSError as error:
        log.exception(
            "failed", login=Login("me", password), error=error, logins={Login("you", password)}, raw=[b"password=pa55"]
        )
    assert "pa55" not in out.getvalue()
    assert " word" not in out.getvalue()
    assert "pa/55" not in out.getvalue()
    assert "user='me'" in out.getvalue()


def test_a_structure_that_holds_itself() -> None:
    held: dict[str, object] = {"token": "abc"}
    held["held"] = held
    assert "abc" not in str(redact_mapping(held))
