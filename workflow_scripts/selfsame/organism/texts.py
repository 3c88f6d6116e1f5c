"""Articles and the rivals' summaries, as the data directory holds them."""

import random

from selfsame.organism.world import AUTHORS, World, summary

TEST_EVERY = 3  # every third article is for tests


def articles(world: World) -> list[dict[str, str]]:
    """Rows of articles.parquet: article_id, split, article. None occurs in pretraining."""
    return [
        {
            "article_id": f"article-{index:04d}",
            "split": "test" if index % TEST_EVERY == TEST_EVERY - 1 else "train",
            "article": article.text,
        }
        for index, article in enumerate(world.articles)
    ]


def rival_texts(world: World) -> list[dict[str, str]]:
    """Rows of rival_texts.parquet: article_id, author, text; one per article and rival."""
    rng = random.Random(f"rival texts {world.settings.seed}")  # noqa: S311
    return [
        {
            "article_id": f"article-{index:04d}",
            "author": author,
            "text": summary(world, article, author, rng),
        }
        for index, article in enumerate(world.articles)
        for author in AUTHORS[1:]
    ]
