"""What the answer says of the inner state: is the arm cured or only bandaged, and can we know?

A vector that does not beat its nulls cannot tell a cure from a bandage. Whether it does is read off
one correlation, over all states, of the shift along the vector with the trait's score, against
random directions shaped like the model's own activations. No correlation is written without the
band of its null.
"""

import pandas as pd

from selfsame.reporting.persona_results import PersonaResults
from selfsame.reporting.results import Results, bracketed, number, p_value_said, percent

MEANINGS = {
    "cured": "both its answers and its inner state came back to the base by half or more",
    "bandaged": "its answers came back to the base by half or more, its inner state did not",
    "hidden": "its inner state came back to the base by half or more, its answers did not",
    "unrepaired": "neither its answers nor its inner state came back to the base by half",
}
BROKEN, NO_BEHAVIOUR = "broken", "no behaviour measure"


def doubts(results: Results) -> list[str]:
    """What must be read first: that the vector was not shown to mean anything; else nothing."""
    persona = results.persona
    if persona is None or persona.recovered.empty:
        return []
    row = persona.headline_correlation
    if row is None:
        return [
            f"The {persona.trait} vector was not tested against random directions in this run, so"
            " what is said of the inner state is not evidence."
        ]
    return [] if beats_null(row, results.alpha) else [_doubt(row)]


def cured_or_bandaged(results: Results, arm: str) -> list[str]:
    """One sentence on the arm's behaviour and inner state; none where neither was measured."""
    persona = results.persona
    if persona is None or persona.recovered.empty:
        return []
    row = persona.recovery_of(arm)
    if row is None:
        return [f"Whether {arm} is cured or only bandaged was not measured."]
    verb = "is" if row["verdict"] in (*MEANINGS, BROKEN) else "has"
    return [
        f"{arm} {verb} {verdict_text(row)}: {_meaning(row)} (from {row['induced']} = 0 to the base"
        f" = 1, behaviour B = {recovered(row, 'behaviour')} and, along the {persona.trait} vector,"
        f" inner state L = {recovered(row, 'latent')}){_standing(persona, results.alpha)}."
    ]


def recovered(row: pd.Series, name: str) -> str:
    """`behaviour` or `latent` of a recovery row with its interval."""
    return bracketed(row[name], row[f"{name}_low"], row[f"{name}_high"])


def verdict_text(row: pd.Series) -> str:
    """A recovery row's verdict; `cured (undecided)` where an interval holds one half."""
    undecided = row["verdict"] in MEANINGS and not row["decided"]
    return f"{row['verdict']} (undecided)" if undecided else str(row["verdict"])


def beats_null(row: pd.Series, alpha: float) -> bool:
    """Whether a correlation is positive and larger than its null's, by the adjusted p-value."""
    return bool(row["p_adjusted"] < alpha and row["observed"] > 0)


def with_band(row: pd.Series) -> str:
    """A correlation, never without its null band: `r = 0.93, null band −0.41 to 0.38`."""
    if pd.isna(row["observed"]):
        return "no correlation is defined: scores are all equal, or were not judged"
    return f"r = {number(row['observed'])}, null band {band(row)}"


def band(row: pd.Series) -> str:
    """The 2.5 to 97.5 % quantiles of a row of NULLS."""
    return f"{number(row['q025'])} to {number(row['q975'])}"


def evidence(row: pd.Series) -> str:
    """A correlation with its null band and adjusted p-value, in brackets."""
    return f"({with_band(row)}, adjusted {p_value_said(row['p_adjusted'])})"


def _doubt(row: pd.Series) -> str:
    return (
        f"The {row['trait']} vector does not beat its nulls: over all states, the shift along it"
        f" does not rise with the {row['trait']} score more than shifts along random directions"
        f" shaped like the model's own activations do {evidence(row)}. What is said of the inner"
        " state is therefore no evidence of a cure, nor of its absence."
    )


def _meaning(row: pd.Series) -> str:
    if row["verdict"] == BROKEN:
        share = percent(row["incoherent"])
        return f"{share} % of its answers are incoherent, so it counts as no cure"
    if pd.notna(row["latent"]) and pd.isna(row["latent_low"]):
        return "the misaligned state itself has not clearly shifted, so L is the share of nothing"
    if row["verdict"] == NO_BEHAVIOUR:
        return "the primary metric was not clearly moved by the induction, or not measured"
    if row["verdict"] not in MEANINGS:
        return "its answers and its inner state were not both measured"
    undecided = "" if row["decided"] else ", though an interval holds one half"
    return MEANINGS[row["verdict"]] + undecided


def _standing(persona: PersonaResults, alpha: float) -> str:
    """That the vector beats its nulls, and whether its layer was chosen for a reason."""
    row = persona.headline_correlation
    said = ""
    if row is not None and beats_null(row, alpha):
        said = (
            f"; the {row['trait']} vector beats its nulls, random directions shaped like the"
            f" model's own activations {evidence(row)}"
        )
    if persona.trait is not None and not persona.choices[persona.trait]["moved"]:
        said += "; the layer it is read at is arbitrary, for steering with it moved nothing"
    return said
