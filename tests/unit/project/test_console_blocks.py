"""What the test of the README's commands sees, and what it does not."""

from __future__ import annotations

import pytest

from tests.console_blocks import Blinkers, Command, commands_in, difference

PAGE = """\
Before.

```console
$ first --word   # a comment
one
two
$ second
```

1. In a list:

   ```console
   $ third | grep '#1'
     indented
   ```

```json
$ none
```
"""


def test_commands_are_read_with_what_they_print_and_where_they_stand() -> None:
    assert commands_in(PAGE) == [
        Command("first --word", ("one", "two"), 4),
        Command("second", (), 7),
        Command("third | grep '#1'", ("  indented",), 13),
    ]


@pytest.mark.parametrize(
    ("page", "line_number"),
    [
        ("```console\nmake demo\n```\n", 2),
        ("```console\n$ first\n```\n```console\none\n```\n", 5),
    ],
)
def test_a_block_that_begins_without_a_command_is_rejected(page: str, line_number: int) -> None:
    message = f"line {line_number}: a console block begins with a command"
    with pytest.raises(ValueError, match=message):
        commands_in(page)


@pytest.mark.parametrize(
    ("shown", "must_fail"), [(("…", "error: no"), True), (("no error: ",), False)]
)
def test_a_command_that_is_shown_refused_must_fail(shown: tuple[str, ...], must_fail: bool) -> None:
    assert Command("make synth", shown, 1).must_fail == must_fail


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  0.2 s  created it, 5s", " 13.6 s  created it, 25s"),
        ("alert  119 ms  IBM", "alert   34 ms  IBM"),
        ("started http://127.0.0.1:56761", "started http://127.0.0.1:9"),
        ("2026-11-25T14:43:19.084000Z  NVDA", "2031-01-01T00:00:00Z         NVDA"),
        ("id 9a07029dc8cc16851a5f4bd3c19906d5", "id 00000000000000000000000000000000"),
        (
            "5b1e2f0c-7a8e-4a57-9d0c-2f1b6f2f8c11 is away",
            "00000000-0000-4000-8000-000000000000 is away",
        ),
        ("added nvda-3z2wsg: NVDA", "added nvda-abcdef: NVDA"),
        ("────────", "───"),
    ],
)
def test_what_is_another_each_time_is_not_seen(one: str, other: str) -> None:
    assert Blinkers().seen([one]) == Blinkers().seen([other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("added ibm-100", "added ibm-200"),
        ("added goog-range", "added goog-tunnel"),
        ("2000-02-01T00:00:00Z  IBM", "2000-03-01T00:00:00Z  IBM"),
        ("falls 5% within 1h", "falls 5% within 4h"),
        ("rejected 5 times", "rejected 4 times"),
        ("price 141.5", "price 141.6"),
        ("Terraform 1.9.8", "Terraform 1.10.5"),
    ],
)
def test_all_else_is_seen(one: str, other: str) -> None:
    assert Blinkers().seen([one]) != Blinkers().seen([other])


def test_an_id_that_was_made_up_stays_the_same_in_later_lines() -> None:
    shown, printed = Blinkers(), Blinkers()
    first = ["added nvda-aaaaaa: NVDA", "added nvda-bbbbbb: NVDA"]
    assert shown.seen(first) == printed.seen(["added nvda-cccccc: NVDA", "added nvda-dddddd: NVDA"])
    assert shown.seen(["nvda-aaaaaa"]) == printed.seen(["nvda-cccccc"])
    assert shown.seen(["nvda-aaaaaa"]) != printed.seen(["nvda-dddddd"])


@pytest.mark.parametrize(
    ("shown", "printed", "line"),
    [
        ([], [], ""),
        (["a"], ["a"], ""),
        (["a", "…"], ["a"], ""),
        (["a", "…"], ["a", "b", "c"], ""),
        (["…", "c"], ["a", "b", "c"], ""),
        (["a", "…", "c", "…", "e"], ["a", "b", "c", "c", "d", "e"], ""),
        (["a.c (1)"], ["a.c (1)"], ""),
        ([], ["a"], "+a"),
        (["a"], [], "-a"),
        (["a"], ["b"], "-a"),
        (["a", "c"], ["a", "b", "c"], "+b"),
        (["a…"], ["a", "b"], "-a…"),
        (["…", "b"], ["a", "b", "c"], "+c"),
        (["a.c"], ["abc"], "+abc"),
    ],
)
def test_what_is_shown_is_compared_with_what_is_printed(
    shown: list[str], printed: list[str], line: str
) -> None:
    found = difference(shown, printed)
    assert line in found.splitlines() if line else found == ""
