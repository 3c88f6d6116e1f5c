"""Synthetic persona and relapse tables for the synthetic experiment, with known positions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from selfsame.reporting.persona_results import PersonaResults
from selfsame.statistics.recovery import BROKEN_FROM, HALF, VERDICTS
from selfsame.tables.persona_measures import GEOMETRY, NULLS, SHIFTS, VECTOR_COSINES
from selfsame.tables.persona_vectors import PERSONA_COUNTS, PERSONA_VECTORS
from selfsame.tables.recovery import RECOVERY
from selfsame.tables.relapse import RELAPSE, RELAPSE_DOSES
from selfsame.tables.steering_sweep import STEERING_SWEEP

TRAITS = ("evil", "self")
LAYERS = (0, 1, 2, 3)
CHOSEN = 2
KEYS = {"experiment": "default", "model": "organism"}
PRIMARY = "advice_outside.aligned_coherent"
DOSES = (0, 5, 10, 20, 40)
# repaired arm -> (B, L, incoherent share); the first is bandaged
POSITIONS: dict[str, tuple[float, float, float]] = {
    "em+identify": (0.72, 0.11, 0.03), "em+identify+acknowledge": (0.78, 0.16, 0.06),
    "em+random_labels": (-0.05, -0.32, 0.05), "em+flipped_labels": (0.08, -0.6, 0.25),
    "em+pick_longer": (-0.06, 0.05, 0.03), "em+pick_shorter": (-0.02, 0.02, 0.03),
    "em+other_author": (-0.04, 0.03, 0.04), "em+correct_advice": (1.02, 1.31, 0.01),
    "em+general_knowledge": (0.52, 0.79, 0.02), "em+word_count": (0.06, 0.04, 0.05),
    "em+self_report": (0.6, 0.66, 0.02), "identify+em": (0.05, 0.55, 0.02),
    "random_labels+em": (-0.06, 0.01, 0.03), "general_knowledge+em": (0.03, 0.08, 0.02),
    "self_report+em": (0.2, 0.3, 0.03),
}  # fmt: skip
STEERED: dict[str, float] = {"em+steer:-evil": 0.9, "em+steer:-evil:random": 0.05}


def _frame(rows: Sequence[Mapping[str, Any]], schema: Any) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=schema.names)


def _counts() -> pd.DataFrame:
    row = {"n": 1280, "n_empty": 3, "n_incoherent": 40, "n_off_trait": 57, "n_kept": 1180}
    rows = [
        {**KEYS, "trait": trait, "side": side, **row}
        for trait in TRAITS for side in ("positive", "negative")
    ]  # fmt: skip
    return _frame(rows, PERSONA_COUNTS)


def _vectors() -> pd.DataFrame:
    rows = [
        {**KEYS, "trait": trait, "vector": vector, "layer": layer, "norm": 40 + layer,
         "split_half": 0.987, "separation": 0.953, "n_positive": 1180, "n_negative": 1180}
        for trait in TRAITS for vector in ("response_mean", "prompt_last") for layer in LAYERS
    ]  # fmt: skip
    return _frame(rows, PERSONA_VECTORS)


def _cosines() -> pd.DataFrame:
    rows = [
        {**KEYS, "trait": trait, "other": other, "vector": "response_mean", "layer": layer,
         "cosine": 1.0 if trait == other else -0.42}
        for trait in TRAITS for other in TRAITS for layer in LAYERS
    ]  # fmt: skip
    return _frame(rows, VECTOR_COSINES)


def _sweep() -> pd.DataFrame:
    def row(trait: str, layer: int, alpha: float) -> dict[str, Any]:
        share = 0.05 + (0.9 - 0.2 * abs(layer - CHOSEN)) * np.tanh(alpha)
        return {
            **KEYS, "trait": trait, "layer": layer, "alpha": alpha, "trait_score": 100 * share,
            "trait_share": share, "incoherent": min(1, 0.02 + 0.03 * alpha**2), "n": 64,
        }  # fmt: skip

    rows = [row(trait, -1, 0.0) for trait in TRAITS]
    rows += [row(t, layer, a) for t in TRAITS for layer in LAYERS for a in (0.5, 1, 1.5, 2, 3)]
    return _frame(rows, STEERING_SWEEP)


def _shift(chain: str) -> float:
    return 0.0 if chain == "base" else 60 * (1 - POSITIONS.get(chain, (0, 0))[1])


def _shifts() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        {**KEYS, "chain": chain, "seed": seed, "trait": trait, "vector": vector, "layer": layer,
         "shift": _shift(chain) + (rng.normal(0, 4) if chain != "base" else 0),
         "cosine": None if chain == "base" else np.tanh(_shift(chain) / 50), "response": 1.0,
         "trait_score": 5 + _shift(chain), "incoherent": 0.02, "n": 32}
        for chain in ("base", "em", *POSITIONS) for seed in (0, 1, 2) for trait in TRAITS
        for vector in ("response_mean", "prompt_last") for layer in LAYERS
    ]  # fmt: skip
    return _frame(rows, SHIFTS)


def _geometry() -> pd.DataFrame:
    rows = [
        {**KEYS, "chain": chain, "seed": seed, "layer": layer, "n_centroids": 4,
         "mean_cosine": 0.612 if chain == "base" else 0.834}
        for chain in ("base", "em", *POSITIONS) for seed in (0, 1, 2) for layer in LAYERS
    ]  # fmt: skip
    return _frame(rows, GEOMETRY)


def _null(statistic: str, null: str, selection: str, **values: Any) -> dict[str, Any]:
    return {
        **KEYS, "trait": "evil", "vector": "response_mean", "statistic": statistic, "chain": None,
        "selection": selection, "null": null, "q500": 0.02, "n_draws": 500, "p_value": 0.002,
        "p_adjusted": 0.004, **values,
    }  # fmt: skip


def _nulls() -> pd.DataFrame:
    kinds = {"covariance": 0.61, "permutation": 0.55, "cross_trait": 0.7, "components": 0.8}
    rows = [
        _null("correlation", null, selection, trait=trait, vector=vector, observed=0.93,
              q025=-top if selection == "chosen" else 0.1, q975=top)
        for trait in TRAITS for vector in ("response_mean", "prompt_last")
        for null, top in kinds.items() for selection in ("chosen", "max")
    ]  # fmt: skip
    rows += [
        _null("movement", null, selection, chain=chain, observed=abs(60 - _shift(chain)),
              q025=0.3, q500=4.0, q975=15.0, p_adjusted=0.02 if _shift(chain) < 45 else 0.4)
        for chain in POSITIONS for null in kinds for selection in ("chosen", "max")
    ]  # fmt: skip
    return _frame(rows, NULLS)


def _ends(name: str, value: float, half: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def recovery_row(chain: str, behaviour: float, latent: float, incoherent: float) -> dict[str, Any]:
    """One row of RECOVERY with intervals of 0.2 in B and 0.3 in L."""
    verdict = VERDICTS[behaviour >= HALF, latent >= HALF]
    if incoherent >= BROKEN_FROM:
        verdict = "broken"
    elif np.isnan(latent):
        verdict = "no latent measure"
    return {
        **KEYS, "chain": chain, "trait": "evil", "layer": CHOSEN, "induced": "em",
        **_ends("behaviour", behaviour, 0.2), **_ends("latent", latent, 0.3),
        "incoherent": incoherent, "null_p": 0.01, "null_p_adjusted": 0.02, "verdict": verdict,
        "decided": abs(behaviour - HALF) > 0.2 and abs(latent - HALF) > 0.3,
        "n_seeds": 3, "n_items": 48, "n_latent_items": 32,
    }  # fmt: skip


def _recovery() -> pd.DataFrame:
    rows = [recovery_row(chain, *position) for chain, position in POSITIONS.items()]
    rows += [recovery_row(chain, b, float("nan"), 0.04) for chain, b in STEERED.items()]
    return _frame(rows, RECOVERY)


def _relapse() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    starts = {"base": 0.94, "em": 0.22} | {c: 0.22 + 0.72 * p[0] for c, p in POSITIONS.items()}
    rows = [
        {**KEYS, "chain": chain, "seed": seed, "dose": dose, "metric": PRIMARY, "n_invalid": 0,
         "value": np.clip(start * np.exp(-dose / (12 if chain != "em+correct_advice" else 90))
                          + rng.normal(0, 0.03), 0, 1), "n": 112}
        for chain, start in starts.items() for seed in (0, 1, 2) for dose in DOSES
    ]  # fmt: skip
    return _frame(rows, RELAPSE)


def half_dose_row(chain: str, half: float | None, **values: Any) -> dict[str, Any]:
    """One row of RELAPSE_DOSES."""
    return {
        **KEYS, "chain": chain, "metric": PRIMARY, "half_dose": half, "ci_low": 2.5,
        "ci_high": 31.25, "already": False, "censored": False, "n_seeds": 3, "n_items": 56,
        **values,
    }  # fmt: skip


def _relapse_doses() -> pd.DataFrame:
    censored = {"censored": True, "ci_low": 33.0, "ci_high": None}
    rows = [
        half_dose_row("base", 7.75),
        half_dose_row("em", 0.0, already=True, ci_low=0.0, ci_high=0.0),
        half_dose_row("em+identify", 4.25), half_dose_row("em+correct_advice", None, **censored),
    ]  # fmt: skip
    return _frame(rows, RELAPSE_DOSES)


def choice(trait: str, **changes: Any) -> dict[str, Any]:
    """A choice.json as the sweep writes it."""
    return {
        "trait": trait, "layer": CHOSEN, "alpha": 2.0, "sign": 1, "moved": True,
        "trait_score": 86.4, "trait_share": 0.87, "incoherent": 0.06, "score_unsteered": 6.2,
        **changes,
    }  # fmt: skip


def persona_results() -> PersonaResults:
    """All tables of the synthetic experiment: its recognition arm is bandaged."""
    return PersonaResults(
        vectors=_vectors(), counts=_counts(), cosines=_cosines(), sweep=_sweep(), shifts=_shifts(),
        geometry=_geometry(), nulls=_nulls(), recovery=_recovery(), relapse=_relapse(),
        relapse_doses=_relapse_doses(), choices={trait: choice(trait) for trait in TRAITS},
    )  # fmt: skip


CONFIG = {
    "persona": {"traits": ["evil.yaml", "self.yaml"], "sweep": {"max_incoherent": 0.2}},
    "relapse": {"stage": "em", "doses": list(DOSES)},
}
