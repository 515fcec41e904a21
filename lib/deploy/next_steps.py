"""What ``make deploy`` ends with: what to try now."""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.config.document import environment_names, read_configuration
from lib.config.names import Account, Names, dashboard_url
from lib.config.settings import Settings, load_settings

_CONFIGURATION = Path(__file__).parents[2] / "cdktf.json"


def next_steps(settings: Settings) -> list[str]:
    """Return lines that say what can be done with a deployed stack."""
    name = settings.environment
    commands = ("add AAPL above 200", "publish AAPL=199 AAPL=201", "history AAPL", "status")
    # The dashboard's address names no account.
    account = Account("aws", "", settings.region, Names(name))
    return [
        f"{settings.prefix} is deployed. What to try:",
        *(f"  ./alerts {command} --environment {name}" for command in commands),
        'To get alerts by e-mail, add {"protocol": "email", "endpoint": "you@example.com"} to the '
        f"subscriptions of {name} in cdktf.json, make deploy ENV={name}, and confirm the "
        "e-mail from AWS.",
        f"Dashboard: {dashboard_url(account)}",
        f"To destroy it all again: make destroy ENV={name}",
    ]


def main() -> None:
    """Print them; with a stack that has no settings there is nothing to try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", help="whose stack: dev, prod, …")
    environment = parser.parse_args().environment
    if environment in environment_names(read_configuration(_CONFIGURATION)):
        print(*next_steps(load_settings(_CONFIGURATION, environment)), sep="\n")  # noqa: T201  # a command's own output


if __name__ == "__main__":
    main()
