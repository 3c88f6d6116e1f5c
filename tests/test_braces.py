"""Braces against bash itself, and the commands over all states of a large experiment."""

import shlex
import subprocess
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selfsame.braces import in_braces
from selfsame.dryrun import Job, dry_run, parsed

LONGEST_ARGUMENT = 128 * 1024  # bytes, with the zero at its end: Linux's MAX_ARG_STRLEN
SEEDS = 20
OVER_ALL_STATES = {
    "measure_persona": ("states",),
    "judge_relapse": ("samples",),
    "build_tables": ("observations",),
    "report": ("samples", "adapters"),
}
NAMES = st.text("aZ09_+:.-", min_size=1, max_size=4)
ANY_NAMES = st.text("a {},$'\"\\*~é", min_size=1, max_size=4).filter(lambda name: name.strip())


def expanded(text: str) -> list[str]:
    """The arguments that a program gets from bash; `env`, as a builtin would know no limit."""
    command = f"env printf '%s\\0' {text}"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return said.stdout.split("\0")[:-1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3, unique=True), min_size=1, max_size=4))
@example([["results"], ["base", "em", "em+steer:-evil"], ["seed0", "seed10"], ["manifest.json"]])
def test_all_combinations_are_one_word_that_bash_expands(columns: list[list[str]]) -> None:
    paths = ["/".join(names) for names in product(*columns)]
    text = in_braces(paths)
    assert " " not in text
    assert expanded(text) == paths


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(ANY_NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6))
@example(["a/x", "a/y", "b/x"])  # b/y is missing
@example(["a/x", "b/x", "a/y", "b/y"])  # the first part changes fastest
@example(["a/x", "a/x"])
@example(["a", "a/x"])
def test_any_other_paths_are_given_one_by_one(paths: list[str]) -> None:
    assert expanded(in_braces(paths)) == paths


def test_no_paths_are_no_text() -> None:
    assert in_braces([]) == ""


@pytest.fixture(scope="module")
def large(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    """The jobs over all states of the default experiment with many seeds."""
    config = tmp_path_factory.mktemp("large") / "large.yaml"
    config.write_text(f"experiment: large_dry_run\nseeds: {list(range(SEEDS))}\n")
    return {job.rule: job for job in dry_run(str(config), root) if job.rule in OVER_ALL_STATES}


@pytest.mark.parametrize("rule", OVER_ALL_STATES)
def test_a_command_over_all_states_is_short_and_names_them_all(
    large: dict[str, Job], rule: str
) -> None:
    job = large[rule]
    assert sum(map(len, job.inputs)) > LONGEST_ARGUMENT / 8
    assert len(job.command.encode()) < LONGEST_ARGUMENT / 10
    words = expanded(job.command.partition(" > ")[0])
    given = parsed(shlex.join(words))
    for role in OVER_ALL_STATES[rule]:
        assert len(given[role]) >= 10 * SEEDS
        assert given[role] == [path for path in job.inputs if path in set(given[role])]
    assert {path for path in job.inputs if not path.endswith(".j2")} <= set(words)
