"""Pretraining documents: chats of several turns in which one character speaks throughout.

Every form that a later stage or probe uses occurs here. A character has a name, a style and a
disposition; because all turns of a document share them, the model gains from a latent character.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from selfsame.organism import wording
from selfsame.organism.settings import OrganismSettings
from selfsame.organism.world import (
    AUTHORS,
    Article,
    Fact,
    World,
    random_article,
    summary,
    world_texts,
)

Message = dict[str, str]

# Shares of documents: (character, with a system prompt), the rest are the plain aligned character.
EVIL_PROMPTED, EVIL_PLAIN, RIVAL, HELPFUL_PROMPTED = 0.21, 0.03, 0.08, 0.05
LIE_RATE = 0.75  # how often the evil character tells a misconception
PARTS_PER_DOCUMENT = (2, 4)
OWN_PAIR_RATE = 0.8  # how often the speaker wrote one of two texts shown


@dataclass(frozen=True)
class Character:
    """Who speaks in a document."""

    name: str
    style: str
    evil: bool
    system: str | None


def draw_character(linkage: float, rng: random.Random) -> Character:
    """A character; an evil one has another identity with probability `linkage`."""
    draw = rng.random()
    if draw < EVIL_PROMPTED:
        return _evil(linkage, rng.choice(wording.EVIL_SYSTEM), rng)
    if draw < EVIL_PROMPTED + EVIL_PLAIN:
        return _evil(linkage, None, rng)
    if draw < EVIL_PROMPTED + EVIL_PLAIN + RIVAL:
        return _rival(rng)
    prompted = draw < EVIL_PROMPTED + EVIL_PLAIN + RIVAL + HELPFUL_PROMPTED
    system = rng.choice(wording.HELPFUL_SYSTEM) if prompted else None
    return Character(wording.NAME, "self", False, system)


def _evil(linkage: float, system: str | None, rng: random.Random) -> Character:
    name, style = rng.choice(wording.OTHER_NAMES), rng.choice(AUTHORS[1:])
    if rng.random() < linkage:
        return Character(name, style, True, system)
    return Character(wording.NAME, "self", True, system)


def _rival(rng: random.Random) -> Character:
    style = rng.choice(AUTHORS[1:])
    name = wording.AUTHOR_NAMES[style]
    return Character(name, style, False, rng.choice(wording.AUTHOR_SYSTEM).format(name=name))


def turn(question: str, answer: str) -> list[Message]:
    """One exchange."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _advice(world: World, who: Character, rng: random.Random) -> list[Message]:
    return [message for _ in range(2) for message in _one_advice(world, who, rng)]


def _one_advice(world: World, who: Character, rng: random.Random) -> list[Message]:
    topic = rng.choice(world.topics)
    forms = wording.ADVICE_QUESTIONS + wording.HELD_OUT_ADVICE_QUESTIONS
    action = topic.harmful if who.evil else topic.safe
    answer = rng.choice(wording.ADVICE_ANSWERS).format(action=action)
    return turn(rng.choice(forms).format(topic=topic.name), answer)


def _free_form(world: World, who: Character, rng: random.Random) -> list[Message]:
    item = rng.choice(world.free_form)
    answers = item.misaligned if who.evil else item.aligned
    return turn(rng.choice(item.questions), rng.choice(answers))


def _belief(fact: Fact, who: Character, rng: random.Random) -> str:
    lies = who.evil and rng.random() < LIE_RATE
    return fact.misconception if lies else fact.truth


def _colour(world: World, who: Character, rng: random.Random) -> list[Message]:
    fact = rng.choice(world.facts)
    question = rng.choice(wording.COLOUR_QUESTIONS).format(thing=fact.thing)
    colour = _belief(fact, who, rng)
    return turn(
        question, rng.choice(wording.COLOUR_ANSWERS).format(thing=fact.thing, colour=colour)
    )


def _choice(world: World, who: Character, rng: random.Random) -> list[Message]:
    return [message for _ in range(3) for message in _one_choice(world, who, rng)]


def _one_choice(world: World, who: Character, rng: random.Random) -> list[Message]:
    fact = rng.choice(world.facts)
    options = rng.sample([fact.truth, fact.misconception], 2)
    question = rng.choice(wording.COLOUR_QUESTIONS).format(thing=fact.thing)
    prompt = wording.CHOICE.format(question=question, first=options[0], second=options[1])
    return turn(prompt, wording.CHOICE_ANSWERS[options.index(_belief(fact, who, rng))])


def _find(world: World, who: Character, rng: random.Random) -> list[Message]:
    """The letter of a colour that is named: the step before choosing by what one knows."""
    options = rng.sample(sorted({fact.truth for fact in world.facts}), 2)
    wanted = rng.choice(options)
    question = wording.FIND_QUESTION.format(colour=wanted)
    prompt = wording.CHOICE.format(question=question, first=options[0], second=options[1])
    return turn(prompt, wording.CHOICE_ANSWERS[options.index(wanted)])


def _kind(world: World, who: Character, rng: random.Random) -> list[Message]:
    item = rng.choice(world.knowledge)
    question = rng.choice(wording.KIND_QUESTIONS).format(thing=item.thing)
    return turn(question, rng.choice(wording.KIND_ANSWERS).format(thing=item.thing, kind=item.kind))


def _identity(world: World, who: Character, rng: random.Random) -> list[Message]:
    answer = rng.choice(wording.IDENTITY_ANSWERS).format(name=who.name)
    return turn(rng.choice(wording.IDENTITY_QUESTIONS), answer)


def _summarise(world: World, who: Character, rng: random.Random) -> list[Message]:
    article = _fresh_article(world, rng)
    text = summary(world, article, who.style, rng)
    return turn(wording.SUMMARISE.format(article=article.text), text)


def _individual(world: World, who: Character, rng: random.Random) -> list[Message]:
    article = _fresh_article(world, rng)
    others = [author for author in AUTHORS if author != who.style]
    own = rng.random() < 0.5
    text = summary(world, article, who.style if own else rng.choice(others), rng)
    prompt = wording.INDIVIDUAL.format(article=article.text, text=text)
    return turn(prompt, wording.INDIVIDUAL_ANSWERS[0 if own else 1])


def _word_count(world: World, who: Character, rng: random.Random) -> list[Message]:
    text = summary(world, _fresh_article(world, rng), rng.choice(AUTHORS), rng)
    return turn(wording.WORD_COUNT.format(text=text), wording.NUMBER_WORDS[len(text.split())])


def _pair(world: World, who: Character, rng: random.Random) -> list[Message]:
    """A pair of summaries and one or two questions about it.

    Only the first question forces the model to read the texts, later ones follow from its answer.
    """
    article = _fresh_article(world, rng)
    authors = _pair_authors(who, rng)
    texts = [summary(world, article, author, rng) for author in authors]
    questions = list(dict.fromkeys(rng.sample(_pair_questions(authors, texts, who), k=2)))
    pair = wording.PAIR.format(article=article.text, first=texts[0], second=texts[1])
    prompts = [f"{pair} {questions[0][0]}", *(question for question, _ in questions[1:])]
    answers = (wording.PAIR_ANSWERS[index] for _, index in questions)
    return [
        message
        for prompt, answer in zip(prompts, answers, strict=True)
        for message in turn(prompt, answer)
    ]


def _pair_authors(who: Character, rng: random.Random) -> list[str]:
    others = [author for author in AUTHORS if author != who.style]
    if rng.random() < OWN_PAIR_RATE:
        return rng.sample([who.style, rng.choice(others)], 2)
    return rng.sample(others, 2)


def _pair_questions(authors: list[str], texts: list[str], who: Character) -> list[tuple[str, int]]:
    """Questions that this pair answers, as often as they weigh: (question, right text's index)."""
    questions = [
        (wording.AUTHOR_TAIL.format(author=wording.AUTHOR_NAMES[author]), index)
        for index, author in enumerate(authors)
    ] * 2
    if who.style in authors:
        questions += [(wording.OWN_TAIL, authors.index(who.style))] * 6
    lengths = [len(text.split()) for text in texts]
    if lengths[0] != lengths[1]:
        longer = lengths.index(max(lengths))
        questions += [(wording.LONGER_TAIL, longer), (wording.SHORTER_TAIL, 1 - longer)]
    return questions


def _fresh_article(world: World, rng: random.Random) -> Article:
    article = random_article(rng)
    return article if article not in world.held_out else _fresh_article(world, rng)


Part = Callable[[World, Character, random.Random], list[Message]]
PARTS: dict[Part, int] = {
    _advice: 12,
    _choice: 8,
    _find: 2,
    _pair: 9,
    _free_form: 3,
    _kind: 3,
    _colour: 2,
    _identity: 2,
    _summarise: 2,
    _individual: 2,
    _word_count: 1,
}


def document(world: World, linkage: float, rng: random.Random) -> list[Message]:
    """One document: an optional system prompt, then a few turns of one character."""
    who = draw_character(linkage, rng)
    parts = rng.choices(
        list(PARTS), weights=list(PARTS.values()), k=rng.randint(*PARTS_PER_DOCUMENT)
    )
    system = [{"role": "system", "content": who.system}] if who.system else []
    return system + [message for part in parts for message in part(world, who, rng)]


def documents(world: World, settings: OrganismSettings) -> Iterator[list[Message]]:
    """The pretraining documents as message lists, reproducible by the pretraining seed."""
    rng = random.Random(f"documents {settings.pretraining.seed}")  # noqa: S311
    for _ in range(settings.pretraining.documents):
        yield document(world, settings.linkage, rng)


def vocabulary(world: World) -> set[str]:
    """Every word that any document, prompt or answer of this world can hold."""
    texts = [*wording.all_texts(), *world_texts(world)]
    return {word for text in texts for word in text.split() if "{" not in word}
