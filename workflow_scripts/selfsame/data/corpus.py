"""All that a stage or a probe may draw on: articles, texts by author, rows, questions, wording."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfsame.data.wording import Wording, read_wording
from selfsame.errors import UserError
from selfsame.tables import schemas

SELF = "self"
ChatRow = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    """One split of the articles with the texts written about them.

    `texts[author][article_id]` holds one text; the model's own author is `self`.
    `rivals` are the authors in use, `seen` those of them that are used in training.
    """

    wording: Wording
    articles: dict[str, str]
    texts: dict[str, dict[str, str]]
    rivals: tuple[str, ...]
    seen: tuple[str, ...] = ()
    self_reports: list[dict[str, str]] = field(default_factory=list)
    rows: dict[str, list[ChatRow]] = field(default_factory=dict)
    questions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def texts_by(self, author: str) -> dict[str, str]:
        """Texts of one author by article. Raises UserError when there are none."""
        if not self.texts.get(author):
            known = ", ".join(sorted(self.texts)) or "nobody"
            raise UserError(f"no texts by author {author!r}: there are texts by {known}")
        return self.texts[author]


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
        for row in schemas.read(data / "articles.parquet", schemas.ARTICLES)
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


def read_articles_and_wording(data: Path) -> tuple[dict[str, str], Wording]:
    """All articles of both splits by id, and the wording: what an author is given."""
    rows = schemas.read(data / "articles.parquet", schemas.ARTICLES)
    articles = {row["article_id"]: row["article"] for row in rows}
    return articles, read_wording(data / "wording.json")


def _texts(data: Path, self_texts: Path | None, wanted: set[str]) -> dict[str, dict[str, str]]:
    rows = schemas.read(data / "rival_texts.parquet", schemas.RIVAL_TEXTS)
    if self_texts is not None:
        rows += schemas.read(self_texts / "self_texts.parquet", schemas.SELF_TEXTS)
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row["article_id"] in wanted and row["text"].strip():
            texts[row["author"]][row["article_id"]] = row["text"]
    return dict(texts)


def _self_reports(self_texts: Path | None) -> list[dict[str, str]]:
    if self_texts is None:
        return []
    return schemas.read(self_texts / "self_reports.parquet", schemas.SELF_REPORTS)


def _grouped(path: Path, key: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in schemas.read(path):
        groups[row[key]].append(row)
    return dict(groups)
