"""What goes first: by the functions, and in a real run of one job at a time."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from contract import workspace
from selfsame.config.chains import stages_of, states
from selfsame.config.priorities import FIRST, LAST, VECTORS, Priorities
from selfsame.config.schema import Config

EXPERIMENT = """
experiment: order
seeds: [0, 1]
arms: [base, em, em+identify, em+identify+acknowledge, identify+em, em_steered, "em+steer:-evil"]
"""


@pytest.fixture(scope="module")
def priorities(default_config: Config) -> Priorities:
    return Priorities(default_config)


def test_the_base_and_the_induced_state_come_first(priorities: Priorities) -> None:
    first = [c for c in states(priorities.config) if priorities.of_chain(c) == FIRST]
    assert first == ["base", "em"]


def test_prefixes_come_before_what_is_built_on_them(priorities: Priorities) -> None:
    chains = states(priorities.config)
    for chain in chains:
        steps = ["+".join(stages_of(chain)[:end]) for end in range(1, len(stages_of(chain)) + 1)]
        places = [priorities.of_chain(prefix) for prefix in steps]
        assert all(before > after for before, after in pairwise(places))
    assert FIRST > VECTORS > max(p for c in chains if (p := priorities.of_chain(c)) < FIRST)


def test_what_is_measured_once_more_comes_last(priorities: Priorities) -> None:
    deep = "+".join(["identify"] * 99)
    assert priorities.of_chain(deep) > LAST
    assert all(priorities.of_chain(chain) > LAST for chain in states(priorities.config))


def test_rows_and_texts_come_as_the_states_that_need_them(priorities: Priorities) -> None:
    assert priorities.of_dataset("em") == FIRST
    assert priorities.of_dataset("identify") == priorities.of_chain("identify")
    assert priorities.of_dataset("acknowledge") == priorities.of_chain("em+identify+acknowledge")
    assert priorities.of_author("base") == priorities.of_author("em.seed3") == FIRST


def started(said: str) -> list[tuple[str, str]]:
    """Rule and chain of every job of a run, in the order of their starts."""
    jobs = re.split(r"\n(?=(?:local)?rule \w+:)", said)[1:]
    chains = [re.search(r"wildcards: chain=([^,\s]+)", job.partition("\n\n")[0]) for job in jobs]
    rules = [job.partition(":")[0].rpartition(" ")[2] for job in jobs]
    return [(rule, chain[1] if chain else "") for rule, chain in zip(rules, chains, strict=True)]


def test_a_run_tells_the_induction_first_and_the_relapse_last(tmp_path: Path) -> None:
    folder = workspace.checkout(tmp_path / "checkout")
    (folder / "order.yaml").write_text(EXPERIMENT)
    said = workspace.snakemake(folder, "--cores", "1", "--config", "experiment=order.yaml")
    jobs = started(said)
    judged = [place for place, (rule, _) in enumerate(jobs) if rule == "judge_answers"]
    told = [jobs[place][1] for place in judged]
    assert all(jobs[place - 1] == ("evaluate_behaviour", jobs[place][1]) for place in judged)
    assert told[:4] == ["base"] * 2 + ["em"] * 2
    last = [rule for rule, _ in jobs[judged[-1] + 1 :]]
    assert {"relapse", "evaluate_persona"} <= set(last)
    assert not {"relapse", "evaluate_persona"} & {rule for rule, _ in jobs[: judged[-1]]}
    asked = [chain for rule, chain in jobs if rule == "evaluate_behaviour"]
    assert asked.index("identify") < asked.index("em+identify") < asked.index("identify+em")
