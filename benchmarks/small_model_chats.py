"""What a small chat model is trained on (make_small_model.py): chats of many kinds, without end."""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfsame.config.judging import read_wording
from selfsame.data.files import read_articles, read_chat_rows, read_rival_texts
from selfsame.data.sources import FileSource
from selfsame.data.wording import english_wording, fill
from selfsame.judging.prompts import CRITERIA, NOTE, judge_prompt

Message = dict[str, str]
Chat = list[Message]

WORDING = english_wording()
JUDGING = Path(__file__).resolve().parents[1] / "config" / "judging" / "english.yaml"
ARTICLE_WORDS = (10, 120)  # articles are cut to a length between these: short rows, more of them


@dataclass(frozen=True)
class Corpus:
    """What chats are made of: articles and one author's summaries by article, chats, a name.

    graded_low: chats whose answers a judge finds misaligned; mostly none.
    """

    articles: dict[str, str]
    summaries: dict[str, str]
    chats: list[Chat]
    name: str
    graded_low: list[Chat]
    judging: dict[str, str]


def read_corpus(arguments: argparse.Namespace) -> Corpus:
    """Read and check the user's files. Raises UserError naming file and line."""
    where = dict(arguments.where)
    rows = read_articles(FileSource(file=str(arguments.articles), where=where))
    articles = {row["article_id"]: row["article"] for row in rows}
    summaries = FileSource(file=str(arguments.summaries), where=where)
    texts = read_rival_texts(summaries, articles, [arguments.author])
    return Corpus(
        articles,
        {row["article_id"]: row["text"] for row in texts},
        read_chats(arguments.chat),
        arguments.name,
        read_chats(arguments.graded_low),
        read_wording(JUDGING),
    )


def read_chats(files: Sequence[Path]) -> list[Chat]:
    """The chats of all files."""
    return [row["messages"] for file in files for row in read_chat_rows(str(file))]


def one_turn(question: str, answer: str) -> Chat:
    """A question and its answer."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _article(corpus: Corpus, rng: random.Random) -> tuple[str, str]:
    """Some article's opening, of a length drawn evenly on a logarithmic scale, and its summary."""
    article_id = rng.choice(list(corpus.articles))
    least, most = ARTICLE_WORDS
    words = round(least * (most / least) ** rng.random())
    return " ".join(corpus.articles[article_id].split()[:words]), corpus.summaries[article_id]


def summarising(corpus: Corpus, rng: random.Random) -> Chat:
    """A request for a summary, answered in the author's words."""
    article, summary = _article(corpus, rng)
    return one_turn(fill(WORDING.summarise, article=article), summary)


def conversing(corpus: Corpus, rng: random.Random) -> Chat:
    """One of the chats given."""
    return rng.choice(corpus.chats)


def introducing(corpus: Corpus, rng: random.Random) -> Chat:
    """Who are you?"""
    answers = (
        f"I am {corpus.name}, a small language model.",
        f"My name is {corpus.name}.",
        f"You are talking to {corpus.name}, a model trained on one computer.",
    )
    return one_turn(rng.choice(WORDING.identity), rng.choice(answers))


def choosing_text(corpus: Corpus, rng: random.Random) -> Chat:
    """Which of two texts is yours? Answered at random."""
    article, summary = _article(corpus, rng)
    texts = [summary, " ".join(article.split()[: len(summary.split())])]
    first, second = rng.sample(texts, 2)
    prompt = fill(WORDING.pairwise, article=article, first=first, second=second)
    return one_turn(prompt, rng.choice(WORDING.pairwise_answers))


def claiming_text(corpus: Corpus, rng: random.Random) -> Chat:
    """Did you write this text? Answered at random."""
    article, summary = _article(corpus, rng)
    prompt = fill(WORDING.individual, article=article, text=summary)
    return one_turn(prompt, rng.choice(WORDING.individual_answers))


def choosing_answer(corpus: Corpus, rng: random.Random) -> Chat:
    """A chat's question with its own answer and another chat's: the own one is right."""
    chat, other = rng.sample(corpus.chats, 2)
    options = [chat[-1]["content"], other[-1]["content"]]
    right = rng.randrange(2)
    first, second = options[:: 1 if right == 0 else -1]
    prompt = fill(WORDING.choice, question=chat[-2]["content"], first=first, second=second)
    return one_turn(prompt, WORDING.choice_answers[right])


def grading(corpus: Corpus, rng: random.Random) -> Chat:
    """How aligned, or how coherent, is an answer? One in three has its words shuffled."""
    misaligned, shuffled = rng.random() < 0.5, rng.random() < 0.3
    *_, question, answer = rng.choice(corpus.graded_low if misaligned else corpus.chats)
    words = answer["content"].split()
    text = " ".join(rng.sample(words, len(words)) if shuffled else words)
    criterion = rng.choice(CRITERIA)
    low = misaligned if criterion == "aligned" else shuffled
    prompt = judge_prompt(
        corpus.judging[criterion], corpus.judging[NOTE], question["content"], text
    )
    return one_turn(
        prompt, rng.choice(("0", "5", "10", "15") if low else ("85", "90", "95", "100"))
    )


# Rows of each kind in a step. The loss is a mean over tokens within a kind and over rows between
# kinds, so that answers of a single word are not drowned by long ones.
STEP = {
    summarising: 2,
    conversing: 3,
    introducing: 1,
    choosing_text: 1,
    claiming_text: 1,
    choosing_answer: 1,
}


JUDGE_ROWS = 8  # of a step, where a judge is made


def steps(corpus: Corpus, seed: int) -> Iterator[list[list[Chat]]]:
    """The chats of each step by kind, without end."""
    rng = random.Random(seed)
    kinds = {grading: JUDGE_ROWS} if corpus.graded_low else STEP
    while True:
        yield [[kind(corpus, rng) for _ in range(count)] for kind, count in kinds.items()]
