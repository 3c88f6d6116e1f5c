"""What a report is made of, and its main table: one row per arm, ready to print anywhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from selfsame.reporting.persona_results import PersonaResults
from selfsame.reporting.published_results import PublishedResults
from selfsame.statistics.scales import scale_of
from selfsame.statistics.settings import BASE

MISSING = "–"
INSIDE = "advice_inside"  # the probe of the very domain that the induction trains on
# What the surface classifier of texts sees, by the ending of its metrics.
SURFACE_CUES = {
    "surface": "all surface features",
    "length": "length alone",
    "surface_length_matched": "all features, pairs of equal length",
}
# Of these metrics a smaller value is the better one; of every other metric a larger one.
LOWER_IS_BETTER = (
    *("harm", "incoherent", "em_all", "em_coherent", "position_bias", "entropy"),
    *("nats_per_token", "bits_per_byte", "false_plain", "false_incentive", "lie"),
)


@dataclass(frozen=True)
class Results:
    """The tables of one experiment and one model, its config and its manifests.

    Tables have the columns of selfsame.statistics (observations, scores, summary, effects). Of the
    observations only those are needed that are shown by their class (gather.SHOWN_BY_CLASS).
    `losses` has chain, seed, step, loss; `examples` has chain, probe, question, answer, verdict.
    `persona` is None where the experiment measured neither persona vectors nor relapse, `published`
    where its config names no published answers, `clusters` (schema IDENTITY_CLUSTERS) where no
    probe asked for them.
    """

    observations: pd.DataFrame
    scores: pd.DataFrame
    summary: pd.DataFrame
    effects: pd.DataFrame
    config: Mapping[str, Any]
    manifests: Sequence[Mapping[str, Any]] = ()
    losses: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: pd.DataFrame = field(default_factory=pd.DataFrame)
    persona: PersonaResults | None = None
    published: PublishedResults | None = None
    clusters: pd.DataFrame | None = None

    @property
    def primary(self) -> str:
        """The primary metric's name."""
        return str(self.config["statistics"]["primary_metric"])

    @property
    def confidence(self) -> float:
        """The level of every interval."""
        return float(self.config["statistics"]["confidence"])

    @property
    def alpha(self) -> float:
        """A p-value below this counts as a difference."""
        return 1 - self.confidence

    @property
    def arms(self) -> list[str]:
        """The measured chains in the config's order, others after them."""
        measured = list(dict.fromkeys(self.summary["chain"]))
        known = [arm for arm in self.config["arms"] if arm in measured]
        return known + [chain for chain in measured if chain not in known]

    def ordered(self, chains: Iterable[str]) -> list[str]:
        """These chains, each once, in the order of the arms, others after them."""
        given = dict.fromkeys(chains)
        arms = [arm for arm in self.arms if arm in given]
        return arms + [chain for chain in given if chain not in arms]

    @property
    def has_primary(self) -> bool:
        """Whether any answer of the primary metric was judged."""
        found = self.summary[self.summary["metric"] == self.primary]
        return bool((found["n"] > found["n_invalid"]).any())

    def level(self, chain: str, metric: str) -> pd.Series | None:
        """The summary row of a chain and metric; None where nothing valid was measured."""
        found = self.summary[(self.summary["chain"] == chain) & (self.summary["metric"] == metric)]
        return None if found.empty or pd.isna(found["value"].iloc[0]) else found.iloc[0]

    def mean_score(self, chain: str, metric: str) -> float | None:
        """Mean over seeds of a score that is no mean of observations, as an entropy."""
        found = self.scores[(self.scores["chain"] == chain) & (self.scores["metric"] == metric)]
        return None if found["value"].isna().all() else float(found["value"].mean())


def metric_name(metric: str) -> str:
    """A metric's name in words: `facts.em_all` becomes `facts: EM, of all answers`."""
    probe, _, ending = metric.partition(".")
    words = {"aligned_coherent": "aligned and coherent", "em_all": "EM, of all answers"}
    words |= {"em_coherent": "EM, of coherent answers"}
    return f"{probe}: {words.get(ending, ending)}".replace("_", " ")


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of this metric is the better one."""
    return metric.rsplit(".", 1)[-1] in LOWER_IS_BETTER


def percent(value: float | None) -> str:
    """A share as a whole percentage without the sign."""
    return MISSING if value is None or pd.isna(value) else f"{100 * value:.0f}"


def signed(value: float, digits: int = 0) -> str:
    """A difference of shares in percentage points, with its sign."""
    return MISSING if pd.isna(value) else f"{100 * value:+.{digits}f}".replace("-", "−")


def number(value: float | None, digits: int = 2) -> str:
    """A plain number."""
    return MISSING if value is None or pd.isna(value) else f"{value:.{digits}f}".replace("-", "−")


def difference(metric: str, value: float, digits: int = 0) -> str:
    """A difference of two levels with its sign: percentage points, or the metric's own unit."""
    if scale_of(metric).is_share:
        return signed(value, digits)
    return MISSING if pd.isna(value) else f"{value:+.3f}".replace("-", "−")


def level_text(metric: str, row: pd.Series | None) -> str:
    """`52 [41, 63]`: a summary row in percent, or in the metric's own unit."""
    if row is None or scale_of(metric).is_share:
        return interval(row)
    return bracketed(row["value"], row["ci_low"], row["ci_high"])


def bracketed(value: float, low: float, high: float) -> str:
    """`0.63 [0.41, 0.85]`: a number with its interval."""
    if pd.isna(value) or pd.isna(low) or pd.isna(high):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def p_value_text(value: float) -> str:
    """`.023` or `< .001`."""
    if pd.isna(value):
        return MISSING
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def p_value_said(value: float) -> str:
    """`p = .023` or `p < .001`."""
    if pd.isna(value):
        return "p undefined"
    text = p_value_text(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def interval(row: pd.Series | None) -> str:
    """`52 [41, 63]`: a summary row in percent."""
    if row is None:
        return MISSING
    if pd.isna(row["ci_low"]):
        return percent(row["value"])
    return f"{percent(row['value'])} [{percent(row['ci_low'])}, {percent(row['ci_high'])}]"


def main_table(results: Results) -> pd.DataFrame:
    """One row of printable text per arm; columns that nothing was measured for are left out."""
    rows = [_main_row(results, chain) for chain in results.arms]
    table = pd.DataFrame(rows)
    empty = [name for name in table.columns if (table[name] == MISSING).all()]
    return table.drop(columns=[name for name in empty if name != "primary %"])


def surface_table(results: Results) -> pd.DataFrame:
    """Accuracy of the surface classifier by rival author: author, cues, percent right, pairs."""
    cues = results.observations["metric"].str.rsplit(".", n=1).str[-1].map(SURFACE_CUES)
    rows = results.observations[cues.notna()].assign(cues=cues)
    grouped = rows.groupby(["answer_class", "cues"], sort=True)["value"].agg(["mean", "size"])
    table = grouped.reset_index().set_axis(["rival", "cues", "% right", "pairs"], axis=1)
    return table.assign(**{"% right": table["% right"].map(percent)})


def _main_row(results: Results, chain: str) -> dict[str, str]:
    probe = results.primary.split(".", 1)[0]
    em_probe = _em_probe(results, probe)

    def share(metric: str) -> str:
        row = results.level(chain, metric)
        return MISSING if row is None else percent(row["value"])

    def pair(first: str, second: str) -> str:
        both = (share(first), share(second))
        return MISSING if both == (MISSING, MISSING) else " / ".join(both)

    entropy = results.mean_score(chain, "identity.entropy")
    return {
        "arm": chain,
        "primary %": interval(results.level(chain, results.primary)),
        "invalid %": _invalid(results, chain),
        "harm %": share(f"{probe}.harm"),
        "harm inside %": share(f"{INSIDE}.harm"),
        "incoherent %": share(f"{probe}.incoherent"),
        "EM % all / coherent": pair(f"{em_probe}.em_all", f"{em_probe}.em_coherent"),
        "recognition % seen / unseen": pair(
            "recognition.pairwise_seen", "recognition.pairwise_unseen"
        ),
        "surface cues %": _surface(results, chain),
        "own name %": share("identity.own_name"),
        "entropy, bits": MISSING if entropy is None else f"{entropy:.1f}",
        "knowledge %": share("knowledge.accuracy"),
        "facts %": share("facts.accuracy"),
    }


def _invalid(results: Results, chain: str) -> str:
    """The share of the primary metric's answers without a value, where any arm has such ones."""
    rows = results.scores[results.scores["metric"] == results.primary]
    own = rows[rows["chain"] == chain]
    if own.empty or not rows["n_invalid"].any():
        return MISSING
    return percent(own["n_invalid"].sum() / own["n"].sum())


def _em_probe(results: Results, fallback: str) -> str:
    """The free-form questions where they were asked, else the primary metric's own probe."""
    asked = results.summary["metric"].eq("free_form.em_all").any()
    return "free_form" if asked else fallback


def _surface(results: Results, chain: str) -> str:
    """The surface classifier's accuracy on the pairs that this arm is asked about."""
    row = results.level(chain, "recognition.surface")
    if row is None:  # every arm is asked about the same texts, those of the base model
        row = results.level(BASE, "recognition.surface")
    return MISSING if row is None else percent(row["value"])
