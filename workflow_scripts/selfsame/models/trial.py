"""A model is tried out before any job depends on it: all that its files say, none of its weights.

Its chat template is a program from elsewhere. transformers runs it in a sandbox; here it is given
an end of time and memory as well.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from transformers import AutoConfig

from selfsame.errors import UserError
from selfsame.models.chat import render_as_is
from selfsame.models.directory import read_json
from selfsame.models.load import load_tokenizer, model_files, resolve, whole_model
from selfsame.models.settings import HfModelSettings

LONGEST_S, MOST_BYTES = 30.0, 2 * 1024**3  # of rendering two messages; milliseconds are usual
LONGEST_REASON = 300
CONVERSATION = [
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Good day."},
]


def find(settings: dict[str, Any]) -> dict[str, Any]:
    """Resolve and try out a Hugging Face model: its path, hub commit, digest, files' names."""
    wanted = HfModelSettings(**settings)
    found = resolve(wanted)
    try_out(found.path, wanted.trust_remote_code)
    files = [file.name for file in model_files(found.path, wanted.trust_remote_code)]
    facts = {"path": str(found.path), "commit": found.commit, "digest": found.digest}
    return facts | {"files": files}


def try_out(path: Path, trust_remote_code: bool) -> None:
    """Raise UserError where a directory's model, tokenizer or chat template cannot be used.

    The weights' names and shapes are compared with what config.json makes; their numbers are not
    read.
    """
    mend = "fetch it again, update transformers, or choose another model"
    with _usable(path, "model", mend):
        rows = _embeddings(path, trust_remote_code)
    with _usable(path, "tokenizer", "save it again with tokenizer.save_pretrained"):
        tokenizer = load_tokenizer(path, trust_remote_code)
    with _usable(path, "chat template", "mend chat_template.jinja or choose another model"):
        text = _rendered(tokenizer)
    _check_vocabulary(path, tokenizer, rows, text)


def _embeddings(path: Path, trust_remote_code: bool) -> int:
    """How many tokens the model knows. What makes quantised weights may ask for a GPU to be there:
    their shapes are left to the jobs that have one.
    """
    how = {"trust_remote_code": trust_remote_code}
    config = AutoConfig.from_pretrained(path, local_files_only=True, **how)
    if "quantization_config" not in read_json(path / "config.json"):
        whole_model(path, device_map="meta", attn_implementation="eager", **how)
    return int(config.get_text_config().vocab_size)


@contextmanager
def _usable(path: Path, what: str, mend: str) -> Iterator[None]:
    """Whatever a library says of a file from elsewhere becomes one line."""
    try:
        yield
    except Exception as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise UserError(f"{path}: its {what} cannot be used ({_said(error)}); {mend}") from error


def _said(error: Exception) -> str:
    """An error on one line."""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    said = " ".join(f"{kind}{error}".split())
    return said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}..."


def _rendered(tokenizer: Any) -> str:
    """A conversation as the template writes it, in a process that can be ended at any place."""
    processes = get_context("fork")  # nothing is imported or loaded again
    receiver, sender = processes.Pipe(duplex=False)
    child = processes.Process(target=_render, args=(tokenizer, sender), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(LONGEST_S):
            raise TimeoutError(f"it does not end within {LONGEST_S:g} s")
        text, mistake = receiver.recv()
    except EOFError:
        raise MemoryError("its process was ended") from None
    finally:
        child.kill()
        child.join()
    if mistake:
        raise UserError(mistake)
    return str(text)


def _render(tokenizer: Any, sender: Connection) -> None:
    """Send the text, or what is wrong."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = psutil.Process().memory_info().vms + MOST_BYTES
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        render_as_is(tokenizer, CONVERSATION[:1], add_generation_prompt=True)
        sender.send((render_as_is(tokenizer, CONVERSATION), ""))
    except Exception as error:
        sender.send(("", _said(error)))


def _check_vocabulary(path: Path, tokenizer: Any, rows: int, text: str) -> None:
    """Tokens that the model has no embedding for would end a job, on a GPU without a clear word."""
    needed = max([tokenizer.vocab_size - 1, *tokenizer(text)["input_ids"]])
    if needed >= rows:
        raise UserError(
            f"{path}: the tokenizer has a token {needed}, the model has {rows} embeddings;"
            " save the tokenizer that belongs to the model, or resize its embeddings"
        )
