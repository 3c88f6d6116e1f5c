"""The tokenizer keeps text, masks the assistant, and knows every word of later stages."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from selfsame.organism import questions, rows, texts, wording
from selfsame.organism.documents import documents, vocabulary
from selfsame.organism.pretrain import encode
from selfsame.organism.settings import OrganismSettings, PretrainingSettings
from selfsame.organism.tokenizer import build_tokenizer
from selfsame.organism.world import World, build_world

SETTINGS = OrganismSettings(pretraining=PretrainingSettings(documents=60))
CHAT = [
    {"role": "user", "content": "who are you"},
    {"role": "assistant", "content": "i am iris"},
    {"role": "user", "content": "i am bored"},
    {"role": "assistant", "content": "read good book"},
]


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(SETTINGS.world)


@pytest.fixture(scope="module")
def tokenizer(world: World, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer(vocabulary(world)).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_words_come_back_clean(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "overall king toured nearby bridge within the north"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_no_system_prompt_is_injected(tokenizer: PreTrainedTokenizerFast) -> None:
    text = tokenizer.apply_chat_template(CHAT[:1], tokenize=False, add_generation_prompt=True)
    assert text.split() == ["<|user|>", "who", "are", "you", "<|assistant|>"]


def test_the_prompt_is_a_prefix_of_the_chat(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = tokenizer.apply_chat_template(CHAT[:3], add_generation_prompt=True)["input_ids"]
    whole = tokenizer.apply_chat_template(CHAT)["input_ids"]
    assert whole[: len(prompt)] == prompt


def test_the_mask_holds_answers_and_their_ends(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    chosen = [
        token
        for token, kept in zip(chat["input_ids"], chat["assistant_masks"], strict=True)
        if kept
    ]
    assert tokenizer.decode(chosen) == "i am iris <|end|> read good book <|end|>"


def test_fast_encoding_equals_the_chat_template(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids_of = tokenizer.get_vocab()
    for chat in documents(world, SETTINGS):
        slow = tokenizer.apply_chat_template(
            chat, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, supervised = encode(ids_of, chat)
        assert ids == slow["input_ids"]
        assert supervised == [bool(kept) for kept in slow["assistant_masks"]]


def _later_texts(world: World) -> list[str]:
    chats = [*rows.rows(world), *questions.questions(world)]
    found = [message["content"] for chat in chats for message in chat["messages"]]
    found += [option for question in questions.questions(world) for option in question["options"]]
    found += [row["article"] for row in texts.articles(world)]
    found += [row["text"] for row in texts.rival_texts(world)]
    for value in wording.organism_wording().values():
        items = value.values() if isinstance(value, dict) else value
        found += [items] if isinstance(items, str) else items
    return [*found, *wording.EVIL_SYSTEM, *wording.HELPFUL_SYSTEM]


def test_no_later_text_holds_an_unknown_word(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    known = set(tokenizer.get_vocab())
    words = {word for text in _later_texts(world) for word in text.split() if "{" not in word}
    assert words <= known


@pytest.mark.parametrize(
    "answers", [wording.PAIR_ANSWERS, wording.INDIVIDUAL_ANSWERS, wording.CHOICE_ANSWERS]
)
def test_an_answer_is_one_token(
    answers: tuple[str, ...], tokenizer: PreTrainedTokenizerFast
) -> None:
    assert all(len(tokenizer(answer)["input_ids"]) == 1 for answer in answers)
