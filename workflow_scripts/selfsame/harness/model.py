"""A state as lm-evaluation-harness's own model class asks it, in batches of so many tokens.

The harness takes a number of rows for its batches, or finds one by running out of memory. Here the
rows follow from the longest of a batch, and where memory runs out all the same, a batch is read in
halves.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from torch.nn.functional import pad

from selfsame.models.chat import render
from selfsame.models.footprint import CACHED_BUDGETS
from selfsame.models.memory import fits
from selfsame.models.settings import SystemPrompt
from selfsame.sampling.state import Speaker

# The harness makes logits of every position of a batch, and a copy of them.
MOST_LOGITS = 2**29


class StateLM(HFLM):
    """A speaker's model under the harness; `tokens`: padded ones of a forward pass."""

    def __init__(self, speaker: Speaker, tokens: int) -> None:
        super().__init__(
            pretrained=speaker.model,
            tokenizer=speaker.tokenizer,
            backend="causal",
            batch_size="auto",
        )
        self.system: SystemPrompt = speaker.system
        self.tokens: int = max(1, min(tokens, MOST_LOGITS // speaker.model.config.vocab_size))
        self.longest: int = self.max_length

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """As every other step renders a conversation; without a prompt for it, the last goes on."""
        if add_generation_prompt:
            return render(self.tokenizer, chat_history, self.system, add_generation_prompt=True)
        *before, begun = chat_history
        prompt = render(self.tokenizer, before, self.system, add_generation_prompt=True)
        return prompt + begun["content"]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """What the state writes; batches hold as many rows as the longest prompt lets them."""
        prompts = (len(self.tok_encode(request.args[0])) for request in requests)
        self.longest = min(max(prompts) + self.max_gen_toks, self.max_length)
        written: list[str] = super().generate_until(requests, disable_tqdm)
        self.longest = self.max_length
        return written

    def _batch_scheduler(self, pos: int, n_reordered_requests: Sequence[Any]) -> int:
        """Rows of the batch that begins with this request, the longest of those left."""
        _, context, continuation = n_reordered_requests[pos]
        return max(1, self.tokens // (len(context) + len(continuation)))

    def _detect_batch_size(self, requests: Sequence[Any] | None = None, pos: int = 0) -> int:
        """Rows where the harness wants one number for all batches: by the cache they fill."""
        return max(1, CACHED_BUDGETS * self.tokens // self.longest)

    def _model_call(self, inps: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.cat(_in_halves(super()._model_call, inps))

    def _model_generate(self, context: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Rows as wide as the longest; what is filled up lies behind the text."""
        mask = kwargs.pop("attention_mask")

        def generate(rows: torch.Tensor) -> torch.Tensor:
            own = mask[rows[:, 0]]
            call = super(StateLM, self)._model_generate
            found: torch.Tensor = call(context[rows[:, 0]], *args, attention_mask=own, **kwargs)
            return found

        places = torch.arange(len(context), device=context.device)[:, None]
        parts = _in_halves(generate, places)
        width = max(part.shape[1] for part in parts)
        filler = self.tokenizer.pad_token_id
        return torch.cat([pad(part, (0, width - part.shape[1]), value=filler) for part in parts])


def _in_halves(
    run: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor
) -> list[torch.Tensor]:
    """`run` on all rows, or on halves of them where memory runs out; their results in order.

    A single row that does not fit raises what it raised.
    """
    if len(rows) == 1:
        return [run(rows)]
    found: list[torch.Tensor] = []
    if fits(lambda: found.append(run(rows))):
        return found
    half = len(rows) // 2
    return [part for piece in (rows[:half], rows[half:]) for part in _in_halves(run, piece)]
