"""An error says the same wherever it arrives."""

from __future__ import annotations

import pickle

import pytest

from dqt_edge import errors


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error") and name != "DqtError"])
def test_an_error_of_a_worker_process_reaches_its_parent(name: str) -> None:
    raised = getattr(errors, name)("it broke", where="here", next_step="mend it")
    arrived = pickle.loads(pickle.dumps(raised))
    assert type(arrived) is type(raised)
    assert str(arrived) == str(raised)
    assert (arrived.what, arrived.where, arrived.next_step) == ("it broke", "here", "mend it")
    assert arrived.exit_code == raised.exit_code
