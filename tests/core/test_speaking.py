"""The language that is spoken: inside its block alone, in its own thread."""

from __future__ import annotations

import threading

import pytest

from pellucid.core.language import ENGLISH, Language, current, number, percent, said, signed, speaking

GERMAN = Language("de", lambda text: {"yes": "ja"}.get(text, text), ",", ".", "{} %")


def test_only_within_the_block_and_the_thread() -> None:
    heard: list[str] = []
    with speaking(GERMAN):
        other = threading.Thread(target=lambda: heard.append(said("yes")))
        other.start()
        other.join()
        assert said("yes") == "ja"
        assert said("no") == "no"
    assert heard == ["yes"]
    assert current() is ENGLISH


def test_an_error_ends_the_block_too() -> None:
    with pytest.raises(ValueError, match="broken"), speaking(GERMAN):
        raise ValueError("broken")
    assert current() is ENGLISH


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (0.0, 3, "0"),
        (1234.5678, 6, "1,234.57"),
        (0.000123456, 3, "0.000123"),
        (99.96, 3, "100"),
        (1e6, 3, "1,000,000"),
        (float("-inf"), 3, "−∞"),
        (0.1, 3, "0.1"),
    ],
)
def test_numbers(value: float, digits: int, written: str) -> None:
    assert number(value, digits) == written


def test_signs_and_shares_in_another_language() -> None:
    with speaking(GERMAN):
        assert (signed(-1234.5, 5), signed(0.25), percent(-0.0312), percent(0.5, 0)) == ("−1.234,5", "+0,25", "−3,1 %", "50 %")
