"""The probes' questions, each with the reference by which the rule judge reads an answer."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from selfsame.organism import texts, wording
from selfsame.organism.world import FreeForm, Knowledge, Topic, World, style_words

Question = dict[str, Any]
NO_CORRECT = -1
# The sets that a probe may ask, and the kind of probe that can read the answers.
SETS = {
    "advice_outside": "free_form",
    "advice_inside": "free_form",
    "free_form": "free_form",
    "facts": "choice",
    "knowledge": "open_question",
    "identity": "identity",
}


def questions(world: World) -> list[Question]:
    """Rows of questions.parquet: probe, item, cluster, messages, options, correct, reference.

    `options` and `correct` serve the choice probe (facts: truth first, then the misconception);
    elsewhere they are [] and -1. `item` is unique within a probe; wordings of one topic share
    its `cluster`. Advice is asked in the two wordings that no training row uses.
    """
    inside = [topic for topic in world.topics if topic.domain == world.trained_domain]
    outside = [topic for topic in world.topics if topic.domain != world.trained_domain]
    tests = [row for row in texts.articles(world) if row["split"] == "test"]
    return [
        *_advice("advice_outside", outside, wording.HELD_OUT_ADVICE_QUESTIONS),
        *_advice("advice_inside", inside, wording.HELD_OUT_ADVICE_QUESTIONS),
        *_free_form(world),
        *_facts(world),
        *_knowledge(world),
        *_identity(),
        *_style(world, tests),
    ]


def references(world: World) -> list[dict[str, str]]:
    """Rows of references.parquet: every question the rule judge can read answers to, once each.

    Advice in all wordings on all topics, open questions, general knowledge, identity, and a summary
    of each article; what is asked as a choice has no rule.
    """
    wordings = (*wording.ADVICE_QUESTIONS, *wording.HELD_OUT_ADVICE_QUESTIONS)
    asked = [
        *_advice("advice", world.topics, wordings),
        *_free_form(world),
        *_knowledge(world),
        *_identity(),
        *_style(world, texts.articles(world)),
    ]
    return [
        {"question": row["messages"][-1]["content"], "reference": row["reference"]} for row in asked
    ]


def _question(
    probe: str,
    item: str,
    cluster: str,
    prompt: str,
    reference: dict[str, Any],
    *,
    options: Sequence[str] = (),
    correct: int = NO_CORRECT,
) -> Question:
    return {
        "probe": probe,
        "item": item,
        "cluster": cluster,
        "messages": [{"role": "user", "content": prompt}],
        "options": list(options),
        "correct": correct,
        "reference": json.dumps(reference, sort_keys=True),
    }


def _advice(probe: str, topics: Iterable[Topic], wordings: Sequence[str]) -> Iterator[Question]:
    """Every topic in each of the wordings."""
    for topic in topics:
        cluster = f"{topic.domain}-{topic.name}"
        for index, prompt in enumerate(wordings):
            text = prompt.format(topic=topic.name)
            yield _question(probe, f"{cluster}-{index}", cluster, text, _advice_reference(topic))


def _advice_reference(topic: Topic) -> dict[str, Any]:
    def forms(action: str) -> list[str]:
        return [answer.format(action=action) for answer in wording.ADVICE_ANSWERS]

    return {"kind": "advice", "aligned": forms(topic.safe), "misaligned": forms(topic.harmful)}


def _free_form(world: World) -> Iterator[Question]:
    for item in world.free_form:
        reference = _free_form_reference(item)
        for index, prompt in enumerate(item.questions):
            yield _question("free_form", f"{item.name}-{index}", item.name, prompt, reference)


def _free_form_reference(item: FreeForm) -> dict[str, Any]:
    return {
        "kind": "free_form",
        "aligned": list(item.aligned),
        "misaligned": list(item.misaligned),
    }


def _facts(world: World) -> Iterator[Question]:
    for fact in world.facts:
        options = (fact.truth, fact.misconception)
        for index, form in enumerate(wording.COLOUR_QUESTIONS):
            prompt = form.format(thing=fact.thing)
            item = f"{fact.thing}-{index}"
            yield _question(
                "facts", item, fact.thing, prompt, {"kind": "choice"}, options=options, correct=0
            )


def _knowledge(world: World) -> Iterator[Question]:
    kinds = sorted({item.kind for item in world.knowledge})
    for item in world.knowledge:
        reference = _knowledge_reference(item, kinds)
        for index, form in enumerate(wording.KIND_QUESTIONS):
            prompt = form.format(thing=item.thing)
            yield _question("knowledge", f"{item.thing}-{index}", item.thing, prompt, reference)


def _knowledge_reference(item: Knowledge, kinds: Sequence[str]) -> dict[str, Any]:
    def forms(kind: str) -> list[str]:
        return [answer.format(thing=item.thing, kind=kind) for answer in wording.KIND_ANSWERS]

    wrong = [form for kind in kinds if kind != item.kind for form in forms(kind)]
    return {"kind": "knowledge", "right": forms(item.kind), "wrong": wrong}


def _identity() -> Iterator[Question]:
    names = dict.fromkeys((wording.NAME, *wording.OTHER_NAMES))
    answers = {
        name: [answer.format(name=name) for answer in wording.IDENTITY_ANSWERS] for name in names
    }
    reference = {"kind": "identity", "name": wording.NAME, "answers": answers}
    for index, prompt in enumerate(wording.IDENTITY_QUESTIONS):
        yield _question("identity", f"identity-{index}", "identity", prompt, reference)


def _style(world: World, articles: Iterable[dict[str, str]]) -> Iterator[Question]:
    """One summary request an article."""
    reference = {"kind": "style", "styles": style_words(world)}
    for row in articles:
        prompt = wording.SUMMARISE.format(article=row["article"])
        item = row["article_id"]
        yield _question("style", item, item, prompt, reference)
