"""The made-up publication, and a way to read answers of its conditions."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from published_answers import MAPPING, Runs, answer_rows
from selfsame.published.answers import read_answers
from selfsame.published.settings import Publication


@pytest.fixture(scope="session")
def publication() -> Publication:
    return Publication(**MAPPING)


@pytest.fixture
def read(tmp_path: Path, publication: Publication) -> Callable[[Runs], pd.DataFrame]:
    """The answers of some runs, through a file."""

    def answers(runs: Runs) -> pd.DataFrame:
        path = tmp_path / "answers.parquet"
        answer_rows(runs).to_parquet(path)
        return read_answers(path, publication)

    return answers
