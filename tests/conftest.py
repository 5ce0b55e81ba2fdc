"""Every test runs with shapes checked and without silent broadcasts of ranks."""

import sys
import typing
from pathlib import Path

import jax
from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).parent))  # for games and shapes
# beartype asks isinstance of a Protocol, which Python allows of marked ones only: here, all are.
typing.Protocol._is_runtime_protocol = True  # type: ignore[attr-defined]
# Before anything imports hamlet: every annotated array is then checked at every call.
install_import_hook("hamlet", "shapes.checked")
jax.config.update("jax_numpy_rank_promotion", "raise")
