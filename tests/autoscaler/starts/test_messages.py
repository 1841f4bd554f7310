import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.starts.messages import go_seconds, pull_message
from policies.seen import PullMessage, PullState

VLLM = "vllm/vllm-openai:v0.19.1"
PULLED = f'Successfully pulled image "{VLLM}" in '


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            PULLED + "4m4.956s (4m6.1s including waiting). Image size: 9612695005 bytes.",
            PullMessage(VLLM, PullState.PULLED, 244.956, 246.1, 9_612_695_005),
        ),
        (PULLED + "4m4.956s (4m6.1s including waiting)", PullMessage(VLLM, PullState.PULLED, 244.956, 246.1)),
        (PULLED + "2.6s", PullMessage(VLLM, PullState.PULLED, 2.6, 2.6)),
        (PULLED + "812ms (812ms including waiting)", PullMessage(VLLM, PullState.PULLED, 0.812, 0.812)),
        (f'Container image "{VLLM}" already present on machine', PullMessage(VLLM, PullState.PRESENT)),
        (f'Container image "{VLLM}" already present on machine and can be accessed', PullMessage(VLLM, PullState.PRESENT)),
        (f'Pulling image "{VLLM}"', PullMessage(VLLM, PullState.PULLING)),
        (f'Failed to pull image "{VLLM}": rpc error: code = NotFound', PullMessage(VLLM, PullState.FAILED)),
        (f'Back-off pulling image "{VLLM}"', PullMessage(VLLM, PullState.FAILED)),
    ],
)  # fmt: skip
def test_messages_of_kubelets(message: str, expected: PullMessage) -> None:
    assert pull_message(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        "",
        "Created container: vllm",
        PULLED + "soon",
        PULLED + "-4s",
        PULLED + "7h",  # longer than any pull
        PULLED + "99999999999999999999h",
        PULLED + "4m (3m including waiting)",  # the wait would be negative
        f'Successfully pulled image "{"a" * 600}" in 4s',
        'Successfully pulled image "a b" in 4s',
    ],
)
def test_what_no_pull_says_is_nothing(message: object) -> None:
    assert pull_message(message) is None


def test_a_size_that_no_image_has_is_unknown() -> None:
    found = pull_message(PULLED + "4s (4s including waiting). Image size: 9999999999999999 bytes.")
    assert found == PullMessage(VLLM, PullState.PULLED, 4.0, 4.0)


@given(st.text(max_size=3000))
def test_any_text_is_read_or_is_nothing(text: str) -> None:
    for message in (text, PULLED + text):
        found = pull_message(message)
        assert found is None or found.total_seconds is None or 0.0 <= found.total_seconds <= 6 * 3600.0


def test_durations_of_go() -> None:
    assert go_seconds("1h2m3.5s") == 3723.5
    assert go_seconds("15.5µs") == pytest.approx(15.5e-6)
    assert go_seconds("0s") == 0.0
    assert go_seconds("1d") is None
