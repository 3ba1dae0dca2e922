"""The option by which XLA compiles small loops as one function."""

import os

import pytest

from curlflow.loops import BYTES, EXTRA, OPTION, compile_small_loops_whole

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("before", ["", "--xla_cpu_use_fusion_emitters=false"])
def test_it_is_added_once_to_what_is_there(monkeypatch, before):
    monkeypatch.setenv("XLA_FLAGS", before)
    compile_small_loops_whole()
    compile_small_loops_whole()
    assert _flags() == [*before.split(), f"{EXTRA}={OPTION}={BYTES}"]


def test_extra_options_of_the_users_are_left_alone(monkeypatch):
    own = f"{EXTRA}={OPTION}=1024"
    monkeypatch.setenv("XLA_FLAGS", own)
    compile_small_loops_whole()
    assert _flags() == [own]


def _flags():
    return os.environ["XLA_FLAGS"].split()
