"""The AWS provider, and the quick way to its bindings.

``import cdktf_cdktf_provider_aws.sqs_queue`` first runs the package's ``__init__``, which imports
2,200 modules: most of a synth's time. A bare module of that name with the right ``__path__``,
registered before the first import of a binding, leaves only the submodules that are used.
So modules that import bindings import this one first, as ``lib.tap_stack`` does.
``quick_bindings.cjs`` does the same for Node.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from types import ModuleType

from cdktf import TerraformStack

from lib.config.provider_versions import DEFAULT_AWS_PROVIDER

BINDINGS = "cdktf_cdktf_provider_aws"


def register_bare_package(name: str) -> None:
    """Make ``import name.submodule`` possible without running the package's ``__init__``.

    Raises
    ------
    ModuleNotFoundError
        If no such package is installed.
    """
    if name in sys.modules:
        return
    spec = PathFinder.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{name} is not installed: run make setup", name=name)
    package = ModuleType(name)
    package.__spec__ = spec
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = package


register_bare_package(BINDINGS)

from cdktf_cdktf_provider_aws.provider import (  # noqa: E402  # after the line above
    AwsProvider,
    AwsProviderDefaultTags,
)


def add_aws_provider(
    stack: TerraformStack,
    region: str,
    *,
    tags: Mapping[str, str] | None = None,
    versions: str = DEFAULT_AWS_PROVIDER,
) -> AwsProvider:
    """Add the AWS provider to a stack; the tags go on everything that accepts tags.

    ``versions`` overrides the one that the bindings, the last of their kind, were made for (6.25).
    """
    stack.add_override("terraform.required_providers.aws.version", versions)
    default_tags = [AwsProviderDefaultTags(tags=dict(tags))] if tags else None
    return AwsProvider(stack, "aws", region=region, default_tags=default_tags)
