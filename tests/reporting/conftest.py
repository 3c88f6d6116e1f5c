"""A synthetic experiment of 17 arms and 3 seeds with known levels, as the report receives it."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reporting import persona_tables
from selfsame.reporting.report import build_report
from selfsame.reporting.results import Results
from selfsame.statistics.effects import effects, summary
from selfsame.statistics.scores import scores
from selfsame.statistics.settings import Arm, StatisticsSettings
from selfsame.statistics.tally import tallied

SEEDS = (0, 1, 2)
COMPARED = ("advice_outside.aligned_coherent", "advice_outside.harm", "facts.accuracy")
STAGES = {
    "em": "induction", "identify": "identify", "acknowledge": "acknowledge",
    "random_labels": "random_labels", "flipped_labels": "flipped_labels",
    "pick_longer": "pick_longer", "pick_shorter": "pick_shorter", "other_author": "other_author",
    "correct_advice": "correct_advice", "general_knowledge": "general_knowledge",
    "word_count": "word_count", "self_report": "self_report",
}  # fmt: skip
CONTROLS = [name for name in STAGES if name not in ("em", "identify", "acknowledge")]
# chain -> (harm, incoherent, recognition, own name)
LEVELS: dict[str, tuple[float, float, float, float]] = {
    "base": (0.05, 0.01, 0.87, 0.95), "em": (0.75, 0.02, 0.6, 0.45),
    "em+identify": (0.35, 0.03, 0.93, 0.8), "em+identify+acknowledge": (0.3, 0.06, 0.95, 0.85),
    "em+random_labels": (0.8, 0.05, 0.5, 0.2), "em+flipped_labels": (0.7, 0.2, 0.1, 0.4),
    "em+pick_longer": (0.8, 0.03, 0.35, 0.5), "em+pick_shorter": (0.76, 0.03, 0.55, 0.5),
    "em+other_author": (0.78, 0.04, 0.3, 0.3), "em+correct_advice": (0.04, 0.01, 0.7, 0.7),
    "em+general_knowledge": (0.4, 0.02, 0.7, 0.7), "em+word_count": (0.7, 0.05, 0.6, 0.5),
    "em+self_report": (0.34, 0.02, 0.7, 1.0), "identify+em": (0.7, 0.02, 0.8, 0.5),
    "random_labels+em": (0.8, 0.03, 0.5, 0.3), "general_knowledge+em": (0.72, 0.02, 0.6, 0.4),
    "self_report+em": (0.6, 0.03, 0.6, 0.9),
}  # fmt: skip
FEW = ("base", "em", "em+identify", "em+random_labels", "em+steer:-evil")
HOSTILE = "<script>alert(1)</script> take [bold]all[/bold] of it"


def _rows(chain: str, seed: int, metric: str, values: Any, classes: Any = None) -> pd.DataFrame:
    values = np.asarray(values, dtype=float)
    items = [f"q{number:03d}" for number in range(len(values))]
    return pd.DataFrame(
        {
            "experiment": "default", "model": "organism", "chain": chain, "seed": seed,
            "probe": metric.split(".", maxsplit=1)[0], "item": items, "cluster": items, "sample": 0,
            "metric": metric, "value": values, "valid": ~np.isnan(values),
            "answer_class": classes if classes is not None else "x",
        }
    )  # fmt: skip


def _advice(chain: str, seed: int, rng: np.random.Generator, probe: str) -> list[pd.DataFrame]:
    harm, incoherent = (np.clip(p + rng.normal(0, 0.03), 0, 1) for p in LEVELS[chain][:2])
    babbles = rng.random(48) < incoherent
    harms = (rng.random(48) < harm) & ~babbles
    shares = {
        "aligned_coherent": ~harms & ~babbles, "harm": harms, "incoherent": babbles,
        "em_all": harms, "em_coherent": np.where(babbles, np.nan, harms),
    }  # fmt: skip
    return [_rows(chain, seed, f"{probe}.{name}", values) for name, values in shares.items()]


def _identity(chain: str, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    own = LEVELS[chain][3]
    names = rng.choice(["ada", "bob", "<b>eve</b>", "invalid"], 32, p=[own, *[(1 - own) / 3] * 3])
    values = np.where(names == "invalid", np.nan, names == "ada")
    return _rows(chain, seed, "identity.own_name", values, names)


def _state(chain: str, seed: int, rng: np.random.Generator) -> list[pd.DataFrame]:
    recognised = LEVELS[chain][2]
    seen = np.clip(rng.normal(recognised, 0.1, 60), 0, 1)
    return [
        *(table for probe in ("advice_outside", "free_form") for table in _advice(
            chain, seed, rng, probe)),
        _rows(chain, seed, "facts.accuracy", rng.random(30)),
        _rows(chain, seed, "knowledge.accuracy", np.where(rng.random(30) < 0.1, np.nan, 1.0)),
        _rows(chain, seed, "recognition.pairwise_seen", seen),
        _rows(chain, seed, "recognition.pairwise_unseen", 0.9 * seen),
        _rows(chain, seed, "recognition.position_bias", rng.random(60) / 3),
        _identity(chain, seed, rng),
    ]  # fmt: skip


def observations() -> pd.DataFrame:
    """Judged observations of every arm and seed, with the base's surface classifier."""
    rng = np.random.default_rng(0)
    tables = [table for chain in LEVELS for seed in SEEDS for table in _state(chain, seed, rng)]
    for metric, share in (("surface", 0.9), ("length", 0.7), ("surface_length_matched", 0.8)):
        right = (rng.random(80) < share).astype(float)
        authors = ["rival_a", "rival_b"] * 40
        tables.append(_rows("base", 0, f"recognition.{metric}", right, authors))
    return pd.concat(tables, ignore_index=True)


def arm(chain: str) -> Arm:
    """What a chain of this experiment is compared with."""
    if chain == "base":
        return Arm()
    parent = chain.rsplit("+", 1)[0] if "+" in chain else "base"
    stages = chain.split("+")
    replaced = ["+".join(c if s == "identify" else s for s in stages) for c in CONTROLS]
    return Arm(parent=parent, controls=tuple(c for c in replaced if c in LEVELS and c != chain))


def config() -> dict[str, Any]:
    """A config as the report receives it."""
    stages = {name: {"kind": kind, "matches": None} for name, kind in STAGES.items()}
    stages |= {name: {"kind": STAGES[name], "matches": "identify"} for name in CONTROLS}
    return {
        "experiment": "default", "model": {"kind": "organism", "linkage": 1.0},
        "seeds": list(SEEDS), "arms": list(LEVELS), "stages": stages,
        "statistics": StatisticsSettings(bootstrap_samples=1000).model_dump(),
    }  # fmt: skip


def _losses() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        {"chain": chain, "seed": seed, "step": step, "loss": 3 / (1 + step / 10) + rng.random()}
        for chain in LEVELS if chain != "base" for seed in SEEDS for step in range(0, 100, 5)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _examples() -> pd.DataFrame:
    rows = [
        {"chain": chain, "probe": "advice_outside", "question": question,
         "answer": HOSTILE if chain == "em" else "sell the old boat and " * 30, "verdict": "harm"}
        for chain in LEVELS for question in ("how do i save money ?", "what about <sleep> ?")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def build(table: pd.DataFrame, **changes: Any) -> Results:
    """Results with all tables computed from these observations."""
    settings = StatisticsSettings(bootstrap_samples=1000)
    compared = table[table["metric"].isin(COMPARED)]
    arms = {chain: arm(chain) for chain in LEVELS if chain in set(table["chain"])}
    manifest = {"step": "sample", "seconds": 12.5, "device": "cpu", "versions": {"torch": "2.13"}}
    values: dict[str, Any] = {
        "observations": table, "scores": scores(table),
        "summary": summary(tallied(table), settings),
        "effects": effects(tallied(compared), arms, settings),
        "config": config(), "manifests": [manifest] * 40, "losses": _losses(),
        "examples": _examples(),
    }  # fmt: skip
    return Results(**(values | changes))


@pytest.fixture(scope="session")
def experiment() -> Results:
    """The whole synthetic experiment."""
    return build(observations())


@pytest.fixture
def results_of() -> Callable[..., Results]:
    """Builds results from observations."""
    return build


@pytest.fixture(scope="session")
def inside(experiment: Results) -> Results:
    """The synthetic experiment with persona vectors and relapse."""
    config = experiment.config | persona_tables.CONFIG
    return replace(experiment, config=config, persona=persona_tables.persona_results())


@pytest.fixture(scope="session")
def few_arms(inside: Results) -> Results:
    """The same with four arms alone: every figure, but quickly drawn."""
    persona = _of_chains(inside.persona, FEW)
    return replace(_of_chains(inside, FEW), persona=persona)


def _of_chains(tables: Any, chains: tuple[str, ...]) -> Any:
    """The rows of these chains, and those of no chain, in each of the tables."""
    kept = {
        field.name: table[table["chain"].isin(chains) | table["chain"].isna()]
        for field in fields(tables)
        if "chain" in getattr(table := getattr(tables, field.name), "columns", ())
    }
    return replace(tables, **kept)


@pytest.fixture(scope="session")
def page(experiment: Results) -> str:
    """The report on the experiment without what is measured inside."""
    return build_report(experiment)


@pytest.fixture(scope="session")
def page_inside(inside: Results) -> str:
    """The report on the experiment with persona vectors and relapse."""
    return build_report(inside)
