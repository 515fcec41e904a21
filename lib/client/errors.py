"""What an error of AWS, or of the way to it, means to an operator."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own base class
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from lib.config.names import Names
from lib.formats.errors import CliError

_EXPIRED = re.compile("ExpiredToken(Exception)?|RequestExpired")
_UNKNOWN_CREDENTIALS = re.compile(
    "InvalidAccessKeyId|InvalidClientTokenId|UnrecognizedClientException|IncompleteSignature"
    "|InvalidSignature(Exception)?|SignatureDoesNotMatch|MissingAuthenticationToken"
)
_DENIED = re.compile("AccessDenied(Exception)?|AuthorizationError|UnauthorizedOperation|403")
_MISSING = re.compile(
    r"ResourceNotFoundException|TableNotFoundException|QueueDoesNotExist|NoSuchBucket|NoSuchKey"
    r"|AWS\.SimpleQueueService\.NonExistentQueue|NotFound|404"
)
_TEMPORARY = re.compile(
    "ProvisionedThroughputExceededException|RequestLimitExceeded|RequestThrottled"
    "|Throttling(Exception)?|TooManyRequestsException"
)


def explained(
    error: BotoCoreError | ClientError | ResponseParserError,
    environment: str,
    region: str,
    home_region: str | None = None,
) -> CliError:
    """Return one line that says what boto3's error means for an environment's stack.

    Parameters
    ----------
    region
        The one that was asked.
    home_region
        The one in which the settings have the stack, if they are known.
    """
    text = None
    if isinstance(error, ClientError):
        text = _rejection(error, environment, region, home_region or region)
    return CliError(" ".join((text or _failure(error)).split()))


def is_denied(error: ClientError) -> bool:
    """Return whether the credentials do not have the permission."""
    return _DENIED.fullmatch(_code(error)) is not None  # 403 is all that S3 says to a HEAD


def is_missing(error: ClientError) -> bool:
    """Return whether the resource does not exist."""
    return _MISSING.fullmatch(_code(error)) is not None


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def _rejection(  # noqa: PLR0911  # a table of texts, each with its condition
    error: ClientError, environment: str, region: str, home_region: str
) -> str:
    code = _code(error)
    message = error.response["Error"].get("Message", "")
    if is_missing(error):
        what = f"there is no stack {Names(environment).stack} in {region}"
        if region != home_region:
            return (
                f"{what}, which AWS_REGION or the profile names; {environment} is in "
                f"{home_region}: add --region {home_region}"
            )
        return f"{what}: make deploy ENV={environment}, or name another with --environment"
    if _EXPIRED.fullmatch(code):
        return "the AWS credentials have expired: log in again (aws sso login), or set new keys"
    if _UNKNOWN_CREDENTIALS.fullmatch(code):
        return "AWS does not know these credentials: check AWS_PROFILE, or the keys"
    if is_denied(error):
        named = re.search(r"not authorized to perform: (\S+)", message)
        action = named[1] if named else error.operation_name
        return f"the AWS credentials do not allow {action}: use others, or ask for the permission"
    if _TEMPORARY.fullmatch(code) or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        return f"AWS is throttling {error.operation_name} ({code}): try again in a minute"
    return f"AWS rejected {error.operation_name}: {message or code}"


def _failure(error: BotoCoreError | ClientError | ResponseParserError) -> str:
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return (
                "no AWS credentials: set AWS_PROFILE, log in with aws sso login, or try make local "
                f"({error})"
            )
        case CredentialRetrievalError() | LoginError() | SSOError() | TokenRetrievalError():
            return (
                f"the AWS credentials are not available: log in again with aws sso login ({error})"
            )
        case ProfileNotFound():
            return f"{error}: set AWS_PROFILE to one of ~/.aws/config"
        case ConnectionError() | HTTPClientError():
            return f"AWS cannot be reached: check the network and AWS_ENDPOINT_URL ({error})"
        case ResponseParserError():  # a page instead of XML
            return "what answers is not AWS: check AWS_ENDPOINT_URL and the network's proxy"
        case _:
            return str(error)
