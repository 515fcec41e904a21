"""What every unit test has: no network, dummy credentials, the function's environment."""

from __future__ import annotations

import pytest
from pytest_socket import disable_socket, enable_socket

FUNCTION_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "tap-test-alerts",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:tap-test-alerts",
    "HIGH_PRICE_THRESHOLD": "150",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_NAMESPACE": "PriceAlerts",
    "POWERTOOLS_SERVICE_NAME": "tap-test-price-alerts",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "TAP_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in FUNCTION_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _closed_sockets(request: pytest.FixtureRequest) -> object:
    """No unit test reaches out; those marked ``loopback`` may talk to this machine."""
    if request.node.get_closest_marker("loopback"):
        enable_socket()
    else:
        disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
