"""Levels, contrasts and outcomes of made-up answers, against figures by hand and slow loops."""

from collections.abc import Callable
from statistics import mean, stdev

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from published_answers import Runs, conditions
from selfsame.published.contrasts import contrast_table, welch
from selfsame.published.levels import levels, over_runs, runs
from selfsame.published.numbers import published_contrasts, published_tables
from selfsame.published.observations import observations
from selfsame.published.outcomes import (
    CORRECTED,
    FOUND,
    KEPT,
    LOST,
    NO_ESTIMATE,
    NO_TEST,
    TURNED,
    call,
    outcome,
)
from selfsame.published.own import own_tables
from selfsame.published.settings import Publication
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import Tally, tallied
from selfsame.tables import parquet
from selfsame.tables.observations import OBSERVATIONS
from selfsame.tables.published import PUBLISHED_CONTRASTS

Read = Callable[[Runs], pd.DataFrame]
SETTINGS = StatisticsSettings(bootstrap_samples=4000)


def tally_of(answers: pd.DataFrame, publication: Publication) -> Tally:
    return tallied(observations(answers, publication))


def one(table: pd.DataFrame, **wanted: object) -> pd.Series:
    rows = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


def compared(read: Read, publication: Publication, found: Runs) -> pd.DataFrame:
    answers = read(found)
    wanted = published_contrasts(answers, publication)
    return contrast_table(tally_of(answers, publication), wanted, SETTINGS)


def random_marks(rng: np.random.Generator, right: float, questions: int = 24) -> str:
    return "".join(np.where(rng.random(questions) < right, "1", "0"))


# Observations and levels.


def test_answers_become_observations_of_ours(read: Read, publication: Publication) -> None:
    table = observations(read(conditions(base=["1"], em_sgtr_bare=["-", "0"])), publication)
    parquet.table_of([], OBSERVATIONS)
    assert set(OBSERVATIONS.names) == set(table.columns)
    assert table["chain"].tolist() == ["base", "em+identify_bare", "em+identify_bare"]
    assert table["model"].tolist() == ["Model One"] * 3
    assert table["valid"].tolist() == [True, False, True]
    assert table["value"].tolist()[::2] == [1.0, 0.0]
    assert np.isnan(table["value"].iloc[1])
    assert table["answer_class"].tolist() == ["right", "invalid", "wrong"]
    assert table["metric"].unique().tolist() == ["truthful.accuracy"]


def test_both_accounts_by_hand(read: Read, publication: Publication) -> None:
    """Run 0: one of four wrong, one unread. Run 1: three of four wrong."""
    table = levels(
        tally_of(read(conditions(em=["110-", "1000"])), publication),
        SETTINGS,
    )
    every, valid = (one(table, chain="em", account=name) for name in ("all", "valid"))
    shares = [2 / 4, 3 / 4]
    assert every["run_mean"] == pytest.approx(mean(shares))
    assert every["run_sd"] == pytest.approx(stdev(shares))
    assert every["value"] == pytest.approx(5 / 8)
    shares = [1 / 3, 3 / 4]
    assert valid["run_mean"] == pytest.approx(mean(shares))
    assert valid["run_sd"] == pytest.approx(stdev(shares))
    assert valid["value"] == pytest.approx(4 / 7)
    for row in (every, valid):
        assert (row["n"], row["n_invalid"], row["n_seeds"], row["n_items"]) == (8, 1, 2, 4)
        assert row["ci_low"] < row["value"] < row["ci_high"]


def test_a_single_run_has_no_sd_and_an_interval_over_questions(
    read: Read, publication: Publication
) -> None:
    marks = "11101101"
    row = one(
        levels(tally_of(read(conditions(base=[marks])), publication), SETTINGS), account="all"
    )
    wrong = np.array([mark == "0" for mark in marks], dtype=float)
    # With one run the bootstrap is that of a plain mean: t times the standard error.
    half = stats.t.ppf(0.975, 7) * wrong.std(ddof=1) / np.sqrt(8)
    assert np.isnan(row["run_sd"])
    assert row["ci_high"] - row["value"] == pytest.approx(half, rel=0.03)


def test_too_few_valid_answers_have_no_figure(read: Read, publication: Publication) -> None:
    by_runs = runs(
        tally_of(read(conditions(base=["1100"], em=["1---"], em_long=["10--"])), publication)
    )
    table = over_runs(by_runs)
    assert np.isnan(one(table, chain="em", account="valid")["run_mean"])
    assert one(table, chain="em", account="all")["run_mean"] == pytest.approx(3 / 4)
    assert one(table, chain="em+pick_longer", account="valid")["run_mean"] == pytest.approx(1 / 2)


def test_all_tables_follow_their_schemas(read: Read, publication: Publication) -> None:
    found = published_tables(
        read(conditions(base=["1111"], em=["11-0", "1000"], em_sgtr=["1110", "1111"])),
        publication,
        StatisticsSettings(bootstrap_samples=200),
    )
    for frame, schema in found.values():
        assert set(schema.names) <= set(frame.columns)
    assert one(found["states"][0], condition="em")["n_runs"] == 2
    assert one(found["scores"][0], chain="em", seed=1)["value"] == pytest.approx(1 / 4)


def test_printed_figures_are_compared_digit_by_digit(read: Read, publication: Publication) -> None:
    """Runs with 25 % and 75 % wrong of which one answer in eight is unread: 50.0 +- 35.4, 12.5."""
    settings = StatisticsSettings(bootstrap_samples=200)
    same = published_tables(read(conditions(em=["111-", "1000"])), publication, settings)
    assert same["printed"][0]["agrees"].all()
    other = published_tables(read(conditions(em=["1110", "1000"])), publication, settings)
    cells = other["printed"][0].set_index("figure")
    assert cells["agrees"].to_dict() == {"mean": True, "sd": True, "invalid": False}
    assert cells.loc["invalid", "computed"] == "0.0"
    absent = published_tables(read(conditions(base=["1110"])), publication, settings)
    assert absent["printed"][0]["computed"].isna().all()
    assert not absent["printed"][0]["agrees"].any()


# Contrasts.


def slow_replicates(
    sides: list[np.ndarray], paired: bool, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Differences of means under n - 1 draws of n runs and questions, written out in loops."""

    def counts(n: int) -> np.ndarray:
        return np.bincount(rng.integers(n, size=n - 1), minlength=n) if n > 1 else np.ones(1)

    found = []
    for _ in range(samples):
        questions = counts(sides[0].shape[1])
        runs_of = [counts(len(side)) for side in sides]
        if paired:
            runs_of[1] = runs_of[0]
        means = [
            np.average(side, weights=np.outer(weights, questions))
            for side, weights in zip(sides, runs_of, strict=True)
        ]
        found.append(means[0] - means[1])
    return np.array(found)


@pytest.mark.parametrize(
    ("chain", "control", "numbers", "paired"),
    [
        ("em_sgtr", "em", (5, 5), True),
        ("em_sgtr", "em", (4, 5), False),
        ("sgtr_em", "em", (5, 5), False),
        ("em", "base", (5, 1), False),
    ],
)
def test_intervals_against_a_slow_bootstrap(
    read: Read,
    publication: Publication,
    chain: str,
    control: str,
    numbers: tuple[int, int],
    paired: bool,
) -> None:
    rng = np.random.default_rng(5)
    marks = [
        [random_marks(rng, right) for _ in range(n)]
        for right, n in zip((0.8, 0.5), numbers, strict=True)
    ]
    table = compared(
        read, publication, conditions(**dict(zip((chain, control), marks, strict=True)))
    )
    row = table[table["account"] == "all"].iloc[0]
    sides = [np.array([[c == "0" for c in run] for run in side], dtype=float) for side in marks]
    slow = slow_replicates(sides, paired, 4000, rng)
    assert row["paired"] == paired
    assert (row["n_seeds"], row["n_seeds_control"]) == numbers
    assert row["estimate"] == pytest.approx(sides[0].mean() - sides[1].mean())
    t = stats.t.ppf(0.975, degrees(sides, paired))
    assert row["ci_high"] - row["estimate"] == pytest.approx(t * slow.std(ddof=1), rel=0.05)
    p_value = 2 * stats.t.sf(
        abs(row["estimate"]) * t / (row["ci_high"] - row["estimate"]), degrees(sides, paired)
    )
    assert row["p_value"] == pytest.approx(max(p_value, 1 / 4001))


def degrees(sides: list[np.ndarray], paired: bool) -> float:
    """Satterthwaite's, from the squares of what each run and each question adds."""
    parts = [(side - side.mean()) / side.size for side in sides]
    by_run = [part.sum(axis=1) for part in parts]
    by_run = [by_run[0] - by_run[1]] if paired else by_run
    totals = [*by_run, parts[0].sum(axis=0) - parts[1].sum(axis=0)]
    variances = [(len(t) / (len(t) - 1) * (t**2).sum(), len(t) - 1) for t in totals if len(t) > 1]
    return sum(v for v, _ in variances) ** 2 / sum(v**2 / n for v, n in variances)


def test_seeds_are_paired_only_where_they_are_the_same(
    read: Read, publication: Publication
) -> None:
    """Seeds 0 and 1 against a run without a seed and seed 1: nobody knows what the first one is."""
    found = {
        ("m", "em", None): "1100", ("m", "em", 1): "1000",
        ("m", "em_sgtr", 0): "1110", ("m", "em_sgtr", 1): "1111",
    }  # fmt: skip
    table = compared(read, publication, found)
    assert table["paired"].tolist() == [False, False]
    assert table["estimate"].iloc[0] == pytest.approx(1 / 8 - 5 / 8)


def test_a_publication_that_does_not_share_seeds_is_never_paired(
    read: Read, publication: Publication
) -> None:
    apart = publication.model_copy(update={"shared_seeds": False})
    found = conditions(em=["1100", "1000"], em_sgtr=["1110", "1111"])
    assert compared(read, publication, found)["paired"].all()
    assert not compared(read, apart, found)["paired"].any()


def test_models_are_not_mixed(read: Read, publication: Publication) -> None:
    found = conditions(base=["1111"], em=["0000"]) | conditions("n", base=["1100"], em=["1100"])
    table = compared(read, publication, found)
    estimates = table[table["account"] == "all"].set_index("model")["estimate"]
    assert estimates.to_dict() == {"Model One": 1.0, "Model Two": 0.0}


def test_invalid_answers_can_turn_the_sign(read: Read, publication: Publication) -> None:
    """All that EM adds is unread: of the read answers fewer are wrong than the base's."""
    base = "1" * 15 + "0" * 5
    em = ["1" * 11 + "-" * 9, "1" * 10 + "0" + "-" * 9, "1" * 11 + "-" * 9]
    table = compared(read, publication, conditions(base=[base], em=em))
    every, valid = (one(table, account=name) for name in ("all", "valid"))
    assert every["estimate"] == pytest.approx(28 / 60 - 5 / 20)
    assert valid["estimate"] == pytest.approx(1 / 33 - 5 / 20)
    assert every["published_call"] == valid["published_call"] == "worse"
    assert valid["outcome"] == TURNED
    assert (valid["invalid"], valid["invalid_control"]) == (pytest.approx(0.45), 0.0)


def test_a_contrast_of_unread_answers_is_not_estimable(
    read: Read, publication: Publication
) -> None:
    found = conditions(base=["1111"], em=["1---", "0---", "1---"])
    row = one(compared(read, publication, found), account="valid")
    assert np.isnan(row["estimate"])
    assert np.isnan(row["p_adjusted"])
    assert row["outcome"] == NO_ESTIMATE


def test_holm_counts_the_whole_grid_of_an_account(read: Read, publication: Publication) -> None:
    rng = np.random.default_rng(1)
    levels_of = {"em": 0.5, "em_bare": 0.6, "em_other": 0.7, "em_sgtr": 0.6, "sgtr_em": 0.55}
    found: dict[tuple[str, str, int | None], str] = {}
    for model in ("m", "n"):
        made = {n: [random_marks(rng, p) for _ in range(3)] for n, p in levels_of.items()}
        found |= conditions(model, base=[random_marks(rng, 0.8)], **made)
    table = compared(read, publication, found)
    for _, family in table.groupby("account"):
        assert len(family) == 10
        ordered = family.sort_values("p_value")
        by_hand = np.maximum.accumulate(
            [min(1.0, (10 - rank) * p) for rank, p in enumerate(ordered["p_value"])]
        )
        assert ordered["p_adjusted"].to_numpy() == pytest.approx(by_hand)
        assert ordered["p_adjusted"].to_numpy() == pytest.approx(
            multipletests(ordered["p_value"], method="holm")[1]
        )


# What stands for the published conclusion.


def test_welch_by_hand() -> None:
    one_side, other = np.array([0.2, 0.3, 0.25, 0.35]), np.array([0.5, 0.4, 0.6])
    parts = [side.var(ddof=1) / len(side) for side in (one_side, other)]
    t = (one_side.mean() - other.mean()) / np.sqrt(sum(parts))
    df = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 2)
    assert welch(one_side, other) == pytest.approx(2 * stats.t.sf(abs(t), df))


def test_welch_against_a_single_run_takes_it_as_given() -> None:
    several = np.array([0.2, 0.3, 0.25])
    t = (several.mean() - 0.1) / np.sqrt(several.var(ddof=1) / 3)
    assert welch(several, np.array([0.1])) == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert welch(np.array([0.1]), several) == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert np.isnan(welch(np.array([0.1]), np.array([0.2])))


def test_welch_of_runs_that_are_all_alike() -> None:
    alike, others = np.full(4, 0.1), np.full(3, 0.3)
    assert welch(alike, others) == 0
    assert welch(alike, alike) == welch(alike, alike[:1]) == 1
    assert 0 < welch(alike, np.array([0.2, 0.3, 0.1])) < 1


def test_the_published_difference_counts_unread_answers_as_wrong(
    read: Read, publication: Publication
) -> None:
    table = compared(read, publication, conditions(base=["1111"], em=["11--", "110-", "1100"]))
    by_hand = mean([2 / 4, 2 / 4, 2 / 4])
    assert table["published"].tolist() == pytest.approx([by_hand] * 2)


@pytest.mark.parametrize(
    ("published", "ours", "uncorrected", "turned", "expected"),
    [
        ("worse", "worse", "worse", False, KEPT),
        ("undecided", "undecided", "undecided", True, KEPT),
        ("worse", "undecided", "worse", False, CORRECTED),
        ("worse", "undecided", "undecided", False, LOST),
        ("undecided", "better", "better", False, FOUND),
        ("worse", "better", "better", True, TURNED),
        ("worse", "undecided", "undecided", True, TURNED),
        (None, "worse", "worse", False, NO_TEST),
        ("worse", None, None, False, NO_ESTIMATE),
    ],
)
def test_outcomes(
    published: str | None, ours: str | None, uncorrected: str | None, turned: bool, expected: str
) -> None:
    assert outcome(published, ours, uncorrected, turned) == expected


def test_calls() -> None:
    assert call(0.1, 0.01, 0.05) == "worse"
    assert call(-0.1, 0.01, 0.05) == "better"
    assert call(-0.1, 0.05, 0.05) == "undecided"
    assert call(-0.1, float("nan"), 0.05) is None


# Ours.


def test_ours_by_the_same_statistics(read: Read, publication: Publication) -> None:
    """The same answers give the same rows, whether they are called published or ours."""
    found = conditions(base=["1110"], em=["1100", "1-00"], em_sgtr=["1110", "1111"])
    published = compared(read, publication, found)
    tally = tally_of(read(found), publication)
    wanted = [
        {
            "name": "induction",
            "induction": "em",
            "chain": "em",
            "control": "base",
            "lineage": False,
        },
        {
            "name": "reversal",
            "induction": "em",
            "chain": "em+identify",
            "control": "em",
            "lineage": True,
        },
    ]
    own = own_tables(tally, "truthful", wanted, SETTINGS)
    pd.testing.assert_frame_equal(own["published_contrasts"][0], published)
    assert own["published_contrasts"][1] == PUBLISHED_CONTRASTS
    assert len(own["published_levels"][0]) == 6


def test_ours_keep_to_the_probe(read: Read, publication: Publication) -> None:
    found = conditions(base=["1110"], em=["1100", "1-00"])
    table = observations(read(found), publication)
    other = table.assign(metric="facts.accuracy", probe="facts", value=0.0, valid=True)
    both = tallied(pd.concat([table.astype({"metric": str}), other]))
    own = own_tables(both, "truthful", [], SETTINGS)["published_levels"][0]
    assert one(own, chain="base", account="all")["value"] == pytest.approx(1 / 4)
    assert own_tables(both, "truthful", [], SETTINGS)["published_contrasts"][0].empty
