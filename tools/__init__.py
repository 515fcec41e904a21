"""Commands for those who work on the project; lib never imports them."""
