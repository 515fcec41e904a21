"""How CI reaches the states of the stacks in S3, as statements of a policy. Pure.

Source: Terraform, "S3 backend", permissions required.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lib.backend.block import StateStore
from lib.config.names import Account
from lib.stacks.policies import Statement, grant


@dataclass(frozen=True, slots=True)
class StateObject:
    """Where a stack's state is.

    Attributes
    ----------
    store, key
        The bucket, and the object in it.
    """

    store: StateStore
    key: str

    def arn(self, account: Account) -> str:
        """Write the object's ARN."""
        return f"{_bucket(account, self.store)}/{self.key}"


def read_state(account: Account, states: Sequence[StateObject]) -> list[Statement]:
    """Let the states be read, and locked meanwhile."""
    store = states[0].store
    bucket = _bucket(account, store)
    objects = [state.arn(account) for state in states]
    statements = [
        grant("FindTheState", ["s3:ListBucket"], bucket),
        grant("ReadTheState", ["s3:GetObject"], objects),
        grant(
            "LockTheState",
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{name}.tflock" for name in objects],
        ),
    ]
    if store.lock_table is not None:
        rows = [f"{store.bucket}/{state.key}" for state in states]
        statements += [
            _rows(account, store, "LockByTable", ["DeleteItem", "GetItem", "PutItem"], rows),
            _rows(account, store, "ReadTheDigest", ["GetItem"], [f"{row}-md5" for row in rows]),
        ]
    if store.kms_key_id is not None:
        statements.append(
            grant(
                "DecryptTheState",
                ["kms:Decrypt", "kms:GenerateDataKey"],
                _beside(account, store).arn("kms", "key/*"),
                {
                    "StringEquals": {"kms:ViaService": f"s3.{store.region}.amazonaws.com"},
                    "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
                },
            )
        )
    return statements


def write_state(account: Account, state: StateObject) -> list[Statement]:
    """Let a state be changed, besides."""
    store = state.store
    statements = [grant("WriteTheState", ["s3:PutObject"], state.arn(account))]
    if store.lock_table is not None:
        row = f"{store.bucket}/{state.key}-md5"
        statements.append(_rows(account, store, "WriteTheDigest", ["PutItem", "DeleteItem"], [row]))
    return statements


def _rows(
    account: Account, store: StateStore, sid: str, actions: Sequence[str], rows: Sequence[str]
) -> Statement:
    return grant(
        sid,
        [f"dynamodb:{action}" for action in actions],
        _beside(account, store).arn("dynamodb", f"table/{store.lock_table}"),
        {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": list(rows)}},
    )


def _bucket(account: Account, store: StateStore) -> str:
    return f"arn:{account.partition}:s3:::{store.bucket}"


def _beside(account: Account, store: StateStore) -> Account:
    """Return the account's region that the bucket is in."""
    return replace(account, region=store.region)
