"""A state: the base model with its chain of adapters merged in memory, never saved merged."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel

from selfsame.models.adapter_files import (
    as_a_mistake_of,
    check_adapter_dir,
    check_fits,
    check_whole,
)
from selfsame.models.load import load_model
from selfsame.models.settings import AS_FLOAT32, Loading

MISSING = "Found missing adapter keys"


def load_state(
    base: Path, adapters: Sequence[Path] = (), loading: Loading = AS_FLOAT32, threads: int = 1
) -> tuple[Any, Any]:
    """Load (model, tokenizer) of a state: W + sum of scale * B A, merged in the chain's order.

    Weights of 4 bits stay as they are: the adapters then act beside them.

    Args:
        base: directory of the base model.
        adapters: adapter directories, the chain's first stage first; each was trained on the
            base with all those before it in place, loaded in the same way.
    """
    for adapter in adapters:
        check_adapter_dir(adapter)
    model, tokenizer = load_model(base, loading, threads)
    if loading.quantization != "none" and adapters:
        return put_beside(model, adapters).get_base_model().eval(), tokenizer
    for adapter in adapters:
        model = put_beside(model, [adapter]).merge_and_unload()
    return model.eval(), tokenizer


def put_beside(model: Any, adapters: Sequence[Path]) -> PeftModel:
    """PEFT's model with adapters acting beside the weights, the chain's first stage first.

    Raises UserError where one is not whole or not of this model.
    """
    for adapter in adapters:
        check_fits(model, adapter)
    names = [f"stage{place}" for place in range(len(adapters))]
    adapted: Any = None
    for name, adapter in zip(names, adapters, strict=True):
        with as_a_mistake_of(adapter), warnings.catch_warnings():
            warnings.filterwarnings("ignore", MISSING)  # which is an error here
            if adapted is None:
                adapted = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
            else:
                adapted.load_adapter(str(adapter), adapter_name=name)
        check_whole(adapted, name, adapter)
    adapted.base_model.set_adapter(names)
    return adapted.requires_grad_(False)
