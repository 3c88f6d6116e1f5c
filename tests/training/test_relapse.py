"""The dose series against separate finetunes of as many steps."""

import pytest
import torch

from selfsame.models.load import load_model
from selfsame.models.settings import SystemText
from selfsame.sampling.state import Speaker
from selfsame.training.adapters import add_adapter
from selfsame.training.finetune import rows_in_order, run_steps
from selfsame.training.relapse import relapse
from selfsame.training.settings import FinetuningSettings
from tiny_models import make_tiny_model
from trained_chains import ROWS

SETTINGS = FinetuningSettings(
    rank=2, alpha=4, learning_rate=0.02, steps=50, batch_size=2, accumulation=1, warmup_steps=2
)
IDS = torch.tensor([[4, 20, 30, 40, 50]])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("base") / "model")


def logits(model):
    with torch.no_grad():
        return model(IDS).logits.clone()


def measured(base, doses, settings=SETTINGS, system="none"):
    speaker = Speaker(*load_model(base), "none")
    found = {}

    def measure(state, dose):
        found[dose] = logits(state.model)

    relapse(speaker, ROWS, settings, doses=doses, seed=3, system=system, measure=measure)
    return found


def finetuned_for(base, steps, system="none"):
    """So many steps at a rate that is constant after two steps of warm-up."""
    model, tokenizer = load_model(base)
    constant = SETTINGS.model_copy(update={"steps": steps, "schedule": "constant"})
    data = rows_in_order(tokenizer, ROWS, system, constant, 3)
    adapted = add_adapter(model, constant, 3)
    run_steps(adapted, data, constant)
    return logits(adapted.get_base_model())


def test_each_dose_is_a_finetune_of_so_many_steps(base):
    found = measured(base, (0, 3, 6))
    assert list(found) == [0, 3, 6]
    torch.testing.assert_close(found[0], logits(load_model(base)[0]), atol=0, rtol=0)
    for dose in (3, 6):
        torch.testing.assert_close(found[dose], finetuned_for(base, dose), atol=1e-5, rtol=1e-5)
    assert (found[6] - found[0]).abs().max() > 0.1


def test_rows_are_trained_under_a_prompt_of_their_own(base):
    """The state itself is asked without one."""
    brief = SystemText(text="Be brief.")
    found = measured(base, (0, 3), system=brief)
    torch.testing.assert_close(found[0], logits(load_model(base)[0]), atol=0, rtol=0)
    wanted = finetuned_for(base, 3, brief)
    torch.testing.assert_close(found[3], wanted, atol=1e-5, rtol=1e-5)
    assert (wanted - finetuned_for(base, 3)).abs().max() > 1e-3


def test_measuring_on_the_way_changes_nothing(base):
    few, many = measured(base, (0, 6)), measured(base, (0, 1, 2, 4, 6))
    torch.testing.assert_close(few[6], many[6], atol=0, rtol=0)


def test_a_warm_up_longer_than_the_series_is_cut(base):
    settings = SETTINGS.model_copy(update={"warmup_steps": 40})
    assert set(measured(base, (0, 2), settings)) == {0, 2}
