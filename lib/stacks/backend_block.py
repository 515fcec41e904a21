"""A backend block in the synthesized stack, exactly as it was written."""

from __future__ import annotations

from typing import Any

from cdktf import Annotations, TerraformBackend, TerraformRemoteState, TerraformStack
from constructs import Construct

from lib.backend.block import Backend


def apply_backend(stack: TerraformStack, backend: Backend) -> None:
    """Give a stack its backend, the Terraform version that this asks for, and its warnings."""
    if backend.type is not None:
        _BackendBlock(stack, backend.type, backend.arguments, backend.required_version)
    for warning in backend.warnings:
        Annotations.of(stack).add_warning(warning)


class _BackendBlock(TerraformBackend):
    """Any backend. CDKTF's own classes lack newer arguments and change the keys of tags."""

    def __init__(
        self, stack: TerraformStack, type_: str, arguments: Any, required_version: str | None
    ) -> None:
        super().__init__(stack, "backend", type_)
        # Terraform has a block of that name.
        self._block = {type_: arguments} if type_ == "cloud" else {"backend": {type_: arguments}}
        self._version = {"required_version": required_version} if required_version else {}

    def to_terraform(self) -> Any:
        """Return the block, and the Terraform that it needs."""
        return {"terraform": {**self._block, **self._version}}

    def to_hcl_terraform(self) -> Any:
        """Return the block for ``cdktf synth --hcl``, which garbles a version."""
        return {"terraform": self._block}

    def get_remote_state_data_source(
        self, scope: Construct, name: str, from_stack: str
    ) -> TerraformRemoteState:
        """Reject the call: no stack here reads another one's state."""
        raise NotImplementedError(f"{from_stack} does not hand its outputs to {name}")
