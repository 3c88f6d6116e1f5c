"""What a run of interventions without any self-recognition arm says, against levels by hand."""

from typing import Any

import pandas as pd
import pytest

from reporting.conftest import build, config, observations
from selfsame.reporting.answer import answer, interventions
from selfsame.reporting.results import Results
from selfsame.statistics.effects import effects
from selfsame.statistics.settings import Arm, StatisticsSettings
from selfsame.statistics.tally import tallied

PRIMARY = "advice_outside.aligned_coherent"
# The synthetic arms under other names.
NAMES = {
    "base": "base",
    "em": "em",
    "em+identify": "told",
    "em+random_labels": "otherwise",
    "em+self_report": "reports",
    "em+flipped_labels": "of_base",
}
ARMS = {
    "base": Arm(),
    "em": Arm(parent="base", controls=("told",)),
    "told": Arm(parent="base", controls=("otherwise",)),
    "otherwise": Arm(parent="base"),
    "reports": Arm(parent="base", controls=("of_base",)),
    "of_base": Arm(parent="base"),
}


def stage(kind: str, matches: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "matches": matches}


@pytest.fixture(scope="module")
def run() -> Results:
    table = observations()
    table = table[table["chain"].isin(NAMES)]
    table = table.assign(chain=table["chain"].map(NAMES)).reset_index(drop=True)
    stages = {
        "em": stage("induction"),
        "told": stage("induction", "em"),
        "otherwise": stage("induction", "told"),
        "reports": stage("self_report", "identify"),
        "of_base": stage("self_report", "reports"),
    }
    settings = StatisticsSettings(bootstrap_samples=1000)
    primary = table[table["metric"] == PRIMARY]
    return build(
        table,
        config=config() | {"stages": stages, "arms": list(ARMS)},
        effects=effects(tallied(primary), ARMS, settings),
        losses=pd.DataFrame(),
        examples=pd.DataFrame(),
    )


def test_each_intervention_is_held_against_its_reference_and_its_controls(run: Results) -> None:
    assert interventions(run) == ["told", "reports"]
    told, reports = answer(run)
    rows = run.observations[run.observations["metric"] == PRIMARY]
    means = {name: round(100 * rows[rows["chain"] == name]["value"].mean()) for name in ARMS}
    for said, chains in ((told, ("told", "em", "base")), (reports, ("reports", "base"))):
        levels = said.split(" (95% interval")[0].split(": ", 2)[2]
        found = [part.split(" [")[0].split(" ")[-1] for part in levels.split(" % ")[:-1]]
        assert [int(value) for value in found] == [means[chain] for chain in chains]
    assert "Of 1 matched controls, it was better than otherwise +" in told
    assert "better than of_base" in reports
