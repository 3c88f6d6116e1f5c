"""The specs of the rules that ask judges (contract 2), and how they are asked, which is in none."""

from functools import cache
from pathlib import Path
from typing import Any

from selfsame.config.judging import judged_probes, read_wording
from selfsame.config.schema import Config
from selfsame.config.specs import modified, primary_probe
from selfsame.judging.settings import LocalJudge, OpenaiJudge

Spec = dict[str, Any]
# Of a local judge's keys, those that the step which finds its model goes by, or nobody.
LOCAL = LocalJudge.found | {"names"}


def ask_judges(config: Config, judge: str) -> Spec:
    """What a judge is asked, and all that shapes its replies."""
    settings = config.judges[judge]
    left_out = {"prompts", *(LOCAL if isinstance(settings, LocalJudge) else OpenaiJudge.manner)}
    return {
        "judge": {"name": judge, **settings.model_dump(mode="json", exclude=left_out)},
        "wording": _wording(Path(settings.prompts), modified(settings.prompts)),
        "probes": judged_probes(config, judge),
        **({"device": "auto"} if isinstance(settings, LocalJudge) else {}),
    }


def ask_judges_on_relapse(config: Config, judge: str) -> Spec:
    """The same of relapsing states, which answer the primary metric's probe alone."""
    return ask_judges(config, judge) | {"probes": [primary_probe(config)]}


def judge_model(config: Config, judge: str) -> Spec:
    """Where a local judge's model is found."""
    keys = {"path", "hub_id", "revision", "trust_remote_code"}
    return config.judges[judge].model_dump(mode="json", include=keys)


def manners(config: Config) -> Spec:
    """How each server is asked."""
    return {
        name: judge.model_dump(mode="json", include=set(judge.manner))
        for name, judge in config.judges.items()
        if isinstance(judge, OpenaiJudge)
    }


@cache
def _wording(file: Path, modified_ns: int) -> Spec:
    """A file's wording, read once for all states; `modified_ns` makes an edited file another."""
    return dict(read_wording(file))
