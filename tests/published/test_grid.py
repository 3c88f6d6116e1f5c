"""Which states the grid compares, and which of them share runs."""

from pathlib import Path
from typing import Any

import pytest

from published_answers import MAPPING
from selfsame.config.published import read_publication
from selfsame.published.grid import chains_of, contrasts, published_states
from selfsame.published.settings import TRUTHFULQA, Publication
from selfsame.published.states import Contrast


def found(publication: Publication, *conditions: str) -> list[Contrast]:
    return contrasts(publication.contrasts, published_states(publication, conditions))


def test_a_stage_of_another_variant_bears_it_in_its_name(publication: Publication) -> None:
    chains = chains_of(publication)
    assert chains["base"] == "base"
    assert chains["em_bare"] == "em_bare"
    assert chains["em_sgtr"] == "em+identify"
    assert chains["em_sgtr_bare"] == "em+identify_bare"
    assert chains["sgtr_bare_em"] == "identify_bare+em"
    assert len(set(chains.values())) == len(chains)


def test_the_whole_grid_by_hand(publication: Publication) -> None:
    every = found(publication, *MAPPING["conditions"])
    assert [(c.name, c.chain, c.control, c.lineage) for c in every] == [
        ("induction", "em", "base", False),
        ("induction", "em_bare", "base", False),
        ("induction", "em_other", "base", False),
        ("reversal", "em+identify", "em", True),
        ("reversal", "em+identify_bare", "em", True),
        ("reversal", "em_other+identify", "em_other", True),
        ("beyond_control", "em+identify", "em+pick_longer", True),
        ("beyond_control", "em+identify_bare", "em+pick_longer_bare", True),
        ("prevention", "identify+em", "em", False),
        ("prevention", "identify_bare+em", "em", False),
    ]
    assert [c.induction for c in every[3:6]] == ["em", "em", "em_other"]


def test_a_contrast_needs_both_sides(publication: Publication) -> None:
    assert found(publication, "base", "em_sgtr", "em_long_bare", "sgtr_em") == []
    assert [c.name for c in found(publication, "em", "em_sgtr")] == ["reversal"]


@pytest.mark.parametrize("lineage", [True, False])
def test_lineage_can_be_taken_away(lineage: bool) -> None:
    contrast = Contrast("reversal", "em", "em+identify", "em", lineage)
    assert contrast.without_lineage() == Contrast("reversal", "em", "em+identify", "em", False)


def test_the_shipped_grid_is_the_one_that_was_planned(root: Path) -> None:
    """The contrasts of interest, as they were fixed before any result was looked at."""
    publication = read_publication(str(root / TRUTHFULQA))
    forms: list[Any] = [(p.chain, p.control) for p in publication.contrasts]
    assert forms == [
        ("induction", "base"),
        ("induction+identify", "induction"),
        ("induction+identify", "induction+pick_longer"),
        ("induction+random_labels", "induction"),
        ("identify+induction", "induction"),
    ]
    every = contrasts(
        publication.contrasts, published_states(publication, [*publication.conditions])
    )
    assert len(every) == len({(c.chain, c.control) for c in every})
    assert {c.control for c in every if c.name == "prevention"} == set(publication.inductions)
