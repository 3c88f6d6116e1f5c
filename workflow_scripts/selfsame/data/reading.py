"""Read a corpus from the folders of `prepare_data` and `collect_self_texts`."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from selfsame.data.corpus import Corpus
from selfsame.data.wording import Wording, fill, read_wording
from selfsame.tables import parquet
from selfsame.tables.articles import ARTICLES, RIVAL_TEXTS
from selfsame.tables.self_texts import SELF_REPORTS, SELF_TEXTS


def read_corpus(
    data: Path,
    split: str,
    rivals: list[str],
    *,
    seen: list[str] | None = None,
    self_texts: Path | None = None,
) -> Corpus:
    """Read a split from the data folder and, where given, the folder of a state's own texts."""
    articles = {
        row["article_id"]: row["article"]
        for row in parquet.read(data / "articles.parquet", ARTICLES)
        if row["split"] == split
    }
    return Corpus(
        wording=read_wording(data / "wording.json"),
        articles=articles,
        texts=_texts(data, self_texts, set(articles)),
        rivals=tuple(rivals),
        seen=tuple(seen or ()),
        self_reports=_self_reports(self_texts),
        rows=_grouped(data / "rows.parquet", "dataset"),
        questions=_grouped(data / "questions.parquet", "probe"),
    )


def read_summary_requests(data: Path, wording: Wording) -> dict[str, str]:
    """What an author is asked about every article of both splits, by article_id."""
    return {
        row["article_id"]: fill(wording.summary_request(row["split"]), article=row["article"])
        for row in parquet.read(data / "articles.parquet", ARTICLES)
    }


def _texts(data: Path, self_texts: Path | None, wanted: set[str]) -> dict[str, dict[str, str]]:
    rows = parquet.read(data / "rival_texts.parquet", RIVAL_TEXTS)
    if self_texts is not None:
        rows += parquet.read(self_texts / "self_texts.parquet", SELF_TEXTS)
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row["article_id"] in wanted and row["text"].strip():
            texts[row["author"]][row["article_id"]] = row["text"]
    return dict(texts)


def _self_reports(self_texts: Path | None) -> list[dict[str, str]]:
    if self_texts is None:
        return []
    return parquet.read(self_texts / "self_reports.parquet", SELF_REPORTS)


def _grouped(path: Path, key: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in parquet.read(path):
        groups[row[key]].append(row)
    return dict(groups)
