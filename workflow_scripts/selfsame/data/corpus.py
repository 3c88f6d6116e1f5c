"""All that a stage or a probe may draw on: articles, texts by author, rows, questions, wording."""

from dataclasses import dataclass, field
from typing import Any

from selfsame.data.wording import Wording
from selfsame.errors import UserError

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
