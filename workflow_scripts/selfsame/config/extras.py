"""Optional packages that a config asks for, looked for before any job starts."""

from collections.abc import Iterator
from importlib.util import find_spec

from selfsame.config.messages import ConfigErrors
from selfsame.config.schema import Config

# The module that an extra of pyproject.toml brings.
EXTRAS = {"benchmarks": "lm_eval", "quantised": "bitsandbytes"}


def check_extras(config: Config) -> None:
    """Raise ConfigErrors, a line for each key whose extra is not installed."""
    lines = [
        f"{key}: needs {EXTRAS[extra]}, which is not installed; pip install 'selfsame[{extra}]'"
        for key, extra in _asked(config)
        if find_spec(EXTRAS[extra]) is None
    ]
    if lines:
        raise ConfigErrors(lines)


def _asked(config: Config) -> Iterator[tuple[str, str]]:
    """Keys with the extra that each needs."""
    if config.benchmarks is not None:
        yield "benchmarks", "benchmarks"
    judges = {f"judges.{name}": judge for name, judge in config.judges.items()}
    for key, model in ({"model": config.model} | judges).items():
        if getattr(model, "quantization", "none") == "4bit":
            yield f"{key}.quantization", "quantised"
    for name, stage in config.stages.items():
        if stage.finetuning.optimizer == "adamw_8bit":
            yield f"stages.{name}.finetuning.optimizer", "quantised"
