"""Who deploys: credentials that AWS knows, and a clock that AWS believes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from lib.deploy.preflight.asking import FAILURES, reason_of
from lib.deploy.preflight.finding import Finding, Level, error, skipped, warning

# AWS rejects what was signed more than five minutes before or after its own time; the function
# rejects prices from more than a minute in the future.
_ERROR_SECONDS, _WARNING_SECONDS = 300, 60


@dataclass(frozen=True, slots=True)
class Caller:
    """What is found of the credentials and the clock; no account without credentials that work."""

    findings: list[Finding]
    account_id: str | None = None


def check_caller(tokens: Any, now: datetime) -> Caller:
    """Ask AWS whose the credentials are, and compare ``now``, this machine's time, with its own.

    ``tokens`` returns a client of STS.
    """
    try:
        answer = tokens().get_caller_identity()
    except ClientError as refusal:
        clock = _clock(refusal.response, now)
        if any(finding.level is Level.ERROR for finding in clock):
            text = "cannot be told as long as the clock is wrong"
            return Caller([skipped("credentials", text), *clock])
        return Caller([error("credentials", reason_of(refusal)), *clock])
    except FAILURES as failure:
        return Caller([error("credentials", reason_of(failure))])
    account_id = answer["Account"]
    known = Finding("credentials", f"{answer['Arn']}, account {account_id}")
    return Caller([known, *_clock(answer, now)], account_id)


def check_account(account_id: str, values: Mapping[str, Any]) -> list[Finding]:
    """Return an error if the backend block does not allow the account."""
    allowed = values.get("allowed_account_ids") or [account_id]
    if account_id in allowed and account_id not in (values.get("forbidden_account_ids") or []):
        return []
    return [
        error(
            "account",
            f"the backend in cdktf.json does not allow account {account_id}: set AWS_PROFILE to "
            "one that it allows",
        )
    ]


def _clock(answer: Mapping[str, Any], now: datetime) -> list[Finding]:
    date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    try:
        ahead_seconds = round((now - parsedate_to_datetime(date)).total_seconds())
    except (TypeError, ValueError):  # no date, or none with a zone
        return []
    if abs(ahead_seconds) < _WARNING_SECONDS:
        return [Finding("clock", "as AWS's")]
    way = "ahead of" if ahead_seconds > 0 else "behind"
    text = f"{abs(ahead_seconds)} s {way} AWS's"
    cure = "set it by the network (timedatectl set-ntp true, or the system's settings)"
    if abs(ahead_seconds) < _ERROR_SECONDS:
        return [warning("clock", f"{text}, and beyond 300 s AWS refuses everything: {cure}")]
    return [error("clock", f"{text}, and AWS refuses what is signed by it: {cure}")]
