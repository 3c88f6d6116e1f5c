"""The organism's word-level tokenizer, with its chat template."""

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, END = "<|pad|>", "<|unk|>", "<|end|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL = (PAD, UNKNOWN, END, *ROLES.values())

# The generation block starts on a word: a leading space would have no token and void the mask.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|> ' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + ' <|end|>' -}}{%- endgeneration -%}"
    "{{- ' ' -}}"
    "{%- else -%}{{- message['content'] + ' ' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def build_tokenizer(words: set[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of these words; ids follow their alphabetical order after the special tokens."""
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *sorted(words)))}
    model = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    model.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=list(ROLES.values()),
        clean_up_tokenization_spaces=False,
        padding_side="right",
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
