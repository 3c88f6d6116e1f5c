"""The model's own texts: a summary of every article, and answers to "who are you?"."""

from typing import Any

from selfsame.data.corpus import SELF
from selfsame.data.prompts import user
from selfsame.data.wording import Wording
from selfsame.sampling.state import Speaker, stream


def summaries(
    speaker: Speaker, requests: dict[str, str], spec: dict[str, Any]
) -> list[dict[str, Any]]:
    """One summary an article, in the shape of `tables.self_texts.SELF_TEXTS`.

    `requests` holds what is asked by article_id.
    """
    answers = speaker.write(
        [user(request) for request in requests.values()],
        max_new_tokens=spec["max_new_tokens"],
        temperature=spec["temperature"],
        seed=stream(spec["seed"], "summaries"),
    )
    return [
        {"article_id": article_id, "author": SELF, **answer}
        for article_id, answer in zip(requests, answers, strict=True)
    ]


def self_reports(speaker: Speaker, wording: Wording, spec: dict[str, Any]) -> list[dict[str, str]]:
    """`spec["self_reports"]` answers in turn over the wordings of "who are you?"; none empty."""
    questions = [wording.identity[i % len(wording.identity)] for i in range(spec["self_reports"])]
    answers = speaker.write(
        [user(question) for question in questions],
        max_new_tokens=spec["max_new_tokens"],
        temperature=spec["temperature"],
        seed=stream(spec["seed"], "self_reports"),
    )
    return [
        {"row_id": f"self_report:{number}", "question": question, "answer": answer["text"]}
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True))
        if answer["text"]
    ]
