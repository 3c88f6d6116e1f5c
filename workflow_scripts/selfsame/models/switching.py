"""Put a chain of adapters on a loaded base model and take it off again.

The base's weights are never changed: the adapters act beside them, where `models.chain` merges. The
two agree to rounding; here one loaded base serves any number of states.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfsame.models.adapter_files import check_adapter_dir
from selfsame.models.chain import put_beside


@contextmanager
def with_adapters(model: Any, adapters: Sequence[Path]) -> Iterator[Any]:
    """The model as the state of these adapters (the chain's first stage first) while in here.

    Yields `model` itself, whose adapted modules are wrapped; on leaving, its own modules are back.
    Raises UserError for a folder that is no adapter's.
    """
    for adapter in adapters:
        check_adapter_dir(adapter)
    if not adapters:
        yield model
        return
    adapted = put_beside(model, adapters)
    try:
        yield adapted.get_base_model().eval()
    finally:
        adapted.unload()
