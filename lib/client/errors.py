"""What an answer of AWS, or the lack of one, means to an operator."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own, of all that has no connection
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

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN_CREDENTIALS = {
    *("IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignature"),
    *("InvalidSignatureException", "MissingAuthenticationToken", "SignatureDoesNotMatch"),
    "UnrecognizedClientException",
}
_DENIED = {
    *("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"),
    "403",  # all that S3 says to a HEAD
}
_NOT_THERE = {
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
    *("ResourceNotFoundException", "TableNotFoundException"),
    *("404", "NoSuchBucket", "NoSuchKey", "NotFound"),
}
_PASSING = {
    *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled"),
    *("Throttling", "ThrottlingException", "TooManyRequestsException"),
}


def explained(
    error: BotoCoreError | ClientError | ResponseParserError, environment: str, region: str
) -> CliError:
    """Say in one line what an answer of AWS, or the lack of one, means to an operator.

    Parameters
    ----------
    error
        What boto3 raised.
    environment, region
        Which stack the command spoke to.
    """
    text = _refusal(error, environment, region) if isinstance(error, ClientError) else None
    return CliError(" ".join((text or _failure(error)).split()))


def is_denied(error: ClientError) -> bool:
    """Tell whether AWS does not allow the credentials what was asked."""
    return _code(error) in _DENIED


def is_missing(error: ClientError) -> bool:
    """Tell whether what was asked for is not there."""
    return _code(error) in _NOT_THERE


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def _refusal(error: ClientError, environment: str, region: str) -> str:
    code = _code(error)
    message = error.response["Error"].get("Message", "")
    if is_missing(error):
        return (
            f"there is no stack {Names(environment).stack} in {region}: "
            f"make deploy ENV={environment}, or name another with --environment"
        )
    if code in _EXPIRED:
        return "the AWS credentials have expired: log in again (aws sso login), or set new keys"
    if code in _UNKNOWN_CREDENTIALS:
        return "AWS does not know these credentials: check AWS_PROFILE, or the keys"
    if is_denied(error):
        named = re.search(r"not authorized to perform: (\S+)", message)
        action = named[1] if named else error.operation_name
        return f"the AWS credentials do not allow {action}: use others, or ask for the permission"
    if code in _PASSING or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        return f"AWS is throttling {error.operation_name} ({code}): try again in a minute"
    return f"AWS rejected {error.operation_name}: {message or code}"


def _failure(error: BotoCoreError | ClientError | ResponseParserError) -> str:
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return f"no AWS credentials: set AWS_PROFILE, or log in with aws sso login ({error})"
        case CredentialRetrievalError() | LoginError() | SSOError() | TokenRetrievalError():
            return (
                f"the AWS credentials are not available: log in again with aws sso login ({error})"
            )
        case ProfileNotFound():
            return f"{error}: set AWS_PROFILE to one of ~/.aws/config"
        case ConnectionError() | HTTPClientError():
            return f"AWS cannot be reached: check the network and AWS_ENDPOINT_URL ({error})"
        case ResponseParserError():  # a page, where XML was waited for
            return "what answers is not AWS: check AWS_ENDPOINT_URL and the network's proxy"
        case _:
            return str(error)
