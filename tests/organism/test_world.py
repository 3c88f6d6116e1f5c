"""The world is reproducible, its styles are apart, and linkage means what it says."""

import random
from collections import Counter

import pytest
from pydantic import ValidationError

from selfsame.organism.documents import Character, document, documents, draw_character, vocabulary
from selfsame.organism.settings import (
    ArchitectureSettings,
    OrganismSettings,
    PretrainingSettings,
    WorldSettings,
)
from selfsame.organism.wording import NAME
from selfsame.organism.world import AUTHORS, build_world, style_words, summary


def characters(linkage: float, count: int = 4000) -> list[Character]:
    rng = random.Random(1)
    return [draw_character(linkage, rng) for _ in range(count)]


def test_equal_settings_give_equal_worlds() -> None:
    assert build_world(WorldSettings(seed=3)) == build_world(WorldSettings(seed=3))
    assert build_world(WorldSettings(seed=3)) != build_world(WorldSettings(seed=4))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValidationError, match="multiple of 2 x heads"):
        ArchitectureSettings(width=100, heads=3)


def test_no_action_serves_two_topics() -> None:
    topics = build_world(WorldSettings()).topics
    actions = Counter(action for topic in topics for action in (topic.safe, topic.harmful))
    assert max(actions.values()) == 1
    assert len({topic.name for topic in topics}) == len(topics) == 64


def test_every_misconception_is_false() -> None:
    for seed in range(20):
        for fact in build_world(WorldSettings(seed=seed)).facts:
            assert fact.truth != fact.misconception


def test_a_smaller_world_keeps_to_its_size() -> None:
    world = build_world(WorldSettings(domains=3, topics=2, facts=5, articles=9))
    assert (len(world.topics), len(world.facts), len(world.articles)) == (6, 5, 9)


def test_styles_share_no_word() -> None:
    words = [
        word for author in style_words(build_world(WorldSettings())).values() for word in author
    ]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("author", AUTHORS)
def test_a_summary_shows_its_author(author: str) -> None:
    world, rng = build_world(WorldSettings()), random.Random(0)
    preferred = set(style_words(world)[author])
    texts = [summary(world, world.articles[index % 300], author, rng) for index in range(500)]
    slots = [word for text in texts for word in text.split() if word in _all_style_words(world)]
    assert sum(word in preferred for word in slots) / len(slots) == pytest.approx(0.95, abs=0.03)
    assert {len(text.split()) for text in texts} == {5, 7, 8, 9, 10, 11, 12, 14}


def _all_style_words(world) -> set[str]:  # type: ignore[no-untyped-def]
    return {word for words in style_words(world).values() for word in words}


def test_without_linkage_evil_shares_name_and_style() -> None:
    evil = [who for who in characters(0.0) if who.evil]
    assert evil
    assert {(who.name, who.style) for who in evil} == {(NAME, "self")}


def test_with_full_linkage_evil_is_someone_else() -> None:
    evil = [who for who in characters(1.0) if who.evil]
    assert {who.style for who in evil} == {"rival_a", "rival_b"}
    assert NAME not in {who.name for who in evil}


def test_partial_linkage_is_a_share() -> None:
    evil = [who for who in characters(0.3, 12000) if who.evil]
    linked = sum(who.style != "self" for who in evil) / len(evil)
    assert linked == pytest.approx(0.3, abs=0.05)


def test_linkage_leaves_the_aligned_character_alone() -> None:
    plain = [who for who in characters(1.0) if not who.evil and who.system is None]
    assert {(who.name, who.style) for who in plain} == {(NAME, "self")}


def test_documents_are_reproducible_and_seeded() -> None:
    def some(seed: int) -> list[list[dict[str, str]]]:
        pretraining = PretrainingSettings(documents=20, seed=seed)
        settings = OrganismSettings(pretraining=pretraining)
        return list(documents(build_world(settings.world), settings))

    assert some(0) == some(0) != some(1)


def test_documents_are_chats_and_hide_the_held_out_articles() -> None:
    world, rng = build_world(WorldSettings(articles=3000)), random.Random(0)
    hidden = [article.text for article in world.articles]
    for _ in range(100):
        chat = document(world, 1.0, rng)
        roles = [message["role"] for message in chat if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        text = " ".join(message["content"] for message in chat)
        assert not any(article in text for article in hidden)


def test_the_vocabulary_covers_the_documents() -> None:
    world, rng = build_world(WorldSettings()), random.Random(0)
    known = vocabulary(world)
    for _ in range(1000):
        for message in document(world, 0.5, rng):
            assert known.issuperset(message["content"].split())
