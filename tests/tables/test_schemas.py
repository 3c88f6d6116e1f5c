"""Tables keep their types, refuse what misfits, and say what their numbers are measured in."""

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfsame import tables
from selfsame.tables import parquet
from selfsame.tables.articles import ARTICLES
from selfsame.tables.references import REFERENCES
from selfsame.tables.scores import SCORES

MODULES = [
    import_module(f"selfsame.tables.{m.name}") for m in pkgutil.iter_modules(tables.__path__)
]
TABLES = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, pa.Schema)
}
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    pa.string(): st.text(max_size=5),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
}


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Any value of an Arrow type."""
    if pa.types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=2)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    return VALUES[kind] | st.none()


def rows(schema: pa.Schema) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({field.name: values(field.type) for field in schema})
    return st.lists(row, max_size=3)


@pytest.mark.parametrize("name", sorted(TABLES))
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_again(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    written = data.draw(rows(TABLES[name]))
    path = tmp_path_factory.getbasetemp() / f"{name}.parquet"
    parquet.write(path, written, TABLES[name])
    assert parquet.read(path, TABLES[name]) == written
    assert pq.read_schema(path).equals(TABLES[name], check_metadata=False)


def test_a_frame_is_written_by_its_schema(tmp_path: Path) -> None:
    row = {"experiment": "e", "model": "m", "chain": "em", "seed": 0, "metric": "a.b"}
    full = {"extra": 1, "n_invalid": 0, "n": 2, "value": 0.5, **row}
    frame = pd.DataFrame([full, {**full, "value": None}])
    parquet.write_frame(tmp_path / "scores.parquet", frame, SCORES)
    first, second = parquet.read(tmp_path / "scores.parquet", SCORES)
    assert list(first) == SCORES.names
    assert first == {**row, "value": 0.5, "n": 2, "n_invalid": 0}
    assert second["value"] is None  # no value is null, not NaN


@pytest.mark.parametrize(
    "row", [{"article_id": "a", "split": 3, "article": "x"}, {"article_id": ["a"]}]
)
def test_a_value_that_misfits_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        parquet.write(tmp_path / "articles.parquet", [row], ARTICLES)
    assert not (tmp_path / "articles.parquet").exists()


def test_reading_checks_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"article_id": ["a"], "article": ["x"]}), path)
    with pytest.raises(KeyError, match="split"):
        parquet.read(path, ARTICLES)
    pq.write_table(pa.table({"article": ["x"], "split": [None], "article_id": ["a"]}), path)
    assert list(parquet.read(path, ARTICLES)[0]) == ARTICLES.names


@pytest.mark.parametrize("name", ["SAMPLES", "OBSERVATIONS", "SCORES", "SUMMARY", "EFFECTS"])
def test_results_begin_with_their_keys_and_name_their_units(name: str) -> None:
    schema = TABLES[name]
    assert schema.names[:3] == ["experiment", "model", "chain"]
    counts = [field for field in schema if field.name == "n" or field.name.startswith("n_")]
    measured = [field for field in schema if field.name in ("value", "estimate", "logprobs")]
    for field in counts + measured:
        assert field.metadata, f"{name}.{field.name} has no unit"
        assert field.metadata[b"unit"]


def _numbered(numbers: range) -> pa.Table:
    rows = [{"question": str(n), "reference": "even" if n % 2 == 0 else "odd"} for n in numbers]
    return parquet.table_of(rows, REFERENCES)


@pytest.mark.parametrize(
    ("pieces", "groups"), [([], 0), ([0], 1), ([1], 1), ([7, 0, 5], 2), ([3, 10, 4, 10], 2)]
)
def test_pieces_are_written_together_and_read_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[int], groups: int
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 6)
    path, written = tmp_path / "t.parquet", 0
    with parquet.writing(path, REFERENCES) as append:
        for length in pieces:
            append(_numbered(range(written, written + length)))
            written += length
    found = pq.read_metadata(path)
    assert (found.num_rows, found.num_row_groups) == (written, groups)
    whole = parquet.read(path, REFERENCES)
    assert whole == _numbered(range(written)).to_pylist()
    odd = parquet.read(path, REFERENCES, [("reference", "==", "odd")])
    assert odd == [row for row in whole if row["reference"] == "odd"]


def test_nothing_is_read_where_nothing_is_named(tmp_path: Path) -> None:
    parquet.write(tmp_path / "t.parquet", _numbered(range(3)).to_pylist(), REFERENCES)
    none = [("question", "in", pa.array([], pa.string()))]
    assert parquet.read(tmp_path / "t.parquet", REFERENCES, none) == []
