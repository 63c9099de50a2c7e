"""The firmware round the stand-in model, as for the firmware's own tests."""

from tests.firmware.conftest import built

__all__ = ["built"]
