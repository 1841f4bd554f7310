"""How long something that was refused is not tried again."""

from autoscaler.actuators.rests import Rests


def test_a_rest_doubles_while_it_is_refused_again_and_again() -> None:
    rests, now, lengths = Rests(), 0.0, []
    for _ in range(8):
        rests.begin("a", "quota", now)
        length = 1
        while rests.cause("a", now + length):
            length += 1
        lengths.append(length)
        now += length
    assert lengths == [60, 120, 240, 480, 960, 1800, 1800, 1800]


def test_a_refusal_long_after_the_last_begins_anew() -> None:
    rests = Rests()
    rests.begin("a", "quota", 0.0)
    rests.begin("a", "quota", 60.0)
    assert rests.cause("a", 179.0)
    rests.begin("a", "quota", 300.0)  # a rest of 120 s after a rest of 120 s
    assert not rests.cause("a", 361.0)


def test_a_try_may_take_a_while_until_it_is_refused() -> None:
    rests = Rests(try_seconds=180.0)
    rests.begin("a", "no such image", 0.0)
    rests.begin("a", "no such image", 60.0 + 140.0)
    assert rests.cause("a", 200.0 + 119.0)


def test_during_a_rest_only_the_cause_is_taken() -> None:
    rests = Rests()
    rests.begin("a", "quota", 0.0)
    rests.begin("a", "webhook", 30.0)
    assert rests.cause("a", 59.0) == "webhook"
    assert rests.cause("a", 60.0) == rests.cause("b", 1.0) == ""


def test_what_nothing_can_double_is_forgotten() -> None:
    rests = Rests()
    rests.begin("a", "quota", 0.0)
    rests.prune(119.0)
    rests.begin("a", "quota", 119.0)
    assert rests.cause("a", 119.0 + 100.0)
    rests.prune(10_000.0)
    rests.begin("a", "quota", 10_000.0)
    assert not rests.cause("a", 10_061.0)
