"""Pages: what the code writes into them."""

from __future__ import annotations

import pytest

from tools.docs.pages import markdown, with_block

PAGE = "before\n<!-- costs: written by make bench -->\nold\n<!-- end of costs -->\nafter\n"


def test_a_block_of_a_page_is_replaced_and_nothing_else() -> None:
    table = markdown(["what", "dollars"], [["us", "1"]], "---:")
    page = with_block(PAGE, "costs", table, "make bench")
    assert page == (
        "before\n<!-- costs: written by make bench -->\n\n"
        "| what | dollars |\n| --- | ---: |\n| us | 1 |"
        "\n\n<!-- end of costs -->\nafter\n"
    )
    assert with_block(page, "costs", table, "make bench") == page


def test_a_block_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no block speeds in the page"):
        with_block(PAGE, "speeds", "", "make bench")
