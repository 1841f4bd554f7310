"""Reading a log while it grows."""

from pathlib import Path

from replay.demo.journal import Entry, Journal
from tests.replay.demo.recorded import a_line, the_head
from tests.support.worlds import START


def decided(journal: Journal) -> list[Entry]:
    return [each for each in journal.new_entries() if isinstance(each, Entry)]


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    assert Journal(tmp_path / "not yet").new_entries() == []


def test_decisions_come_once_with_what_changed(tmp_path: Path) -> None:
    log = tmp_path / "decisions-1.jsonl"
    log.write_text(f"{the_head()}{a_line(START, 5)}\n")
    journal = Journal(tmp_path)
    (first,) = decided(journal)
    assert (first.at_seconds, first.plan.desired_replicas) == (START, 5)
    assert first.sentence is not None
    assert first.sentence.startswith("Runs 5 replicas")
    assert journal.new_entries() == []
    with log.open("a") as more:
        more.write(f"{a_line(START + 15, 5)}\n{a_line(START + 30, 7, fan=False)}\n")
    same, grown = decided(journal)
    assert same.sentence is None
    assert grown.sentence is not None
    assert grown.sentence.startswith("Grows from 5 to 7 replicas: ")
    assert (same.fan is None, grown.fan is None) == (False, True)
    journal.close()


def test_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "decisions-1.jsonl"
    whole = f"{a_line(START, 5)}\n"
    log.write_text(the_head() + whole[:100])
    journal = Journal(tmp_path)
    assert journal.new_entries() == []
    with log.open("a") as more:
        more.write(whole[100:])
    assert len(journal.new_entries()) == 1
    journal.close()


def test_the_next_file_is_followed(tmp_path: Path) -> None:
    """A controller that starts again opens a file of its own."""
    old = tmp_path / "decisions-1.jsonl"
    old.write_text(f"{the_head()}{a_line(START, 5)}\n")
    journal = Journal(tmp_path)
    journal.new_entries()
    with old.open("a") as more:
        more.write(f"{a_line(START + 15, 6)}\n")
    (tmp_path / "decisions-2.jsonl").write_text(f"{the_head()}{a_line(START + 30, 7)}\n")
    assert [entry.plan.desired_replicas for entry in decided(journal)] == [6, 7]
    journal.close()


def test_sentences_are_short(tmp_path: Path) -> None:
    lines = (a_line(START, 5, 1), a_line(START + 15, 6, 1), a_line(START + 30, 6, 2))
    (tmp_path / "decisions-1.jsonl").write_text(the_head() + "".join(f"{line}\n" for line in lines))
    journal = Journal(tmp_path)
    because = "demand of 4.0 replicas may reach {} before a new replica is up (5 min 15 s)."
    assert [entry.sentence for entry in decided(journal)] == [
        f"Runs 5 replicas: {because.format(4.6)}",
        f"Grows from 5 to 6 replicas: {because.format(5.6)}",
        "Prepares 2 nodes (1 before): at most 2 may be prepared.",
    ]
    journal.close()
