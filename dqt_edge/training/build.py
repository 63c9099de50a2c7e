"""The network of a run, with its first weights."""

from __future__ import annotations

from ..data.dataset import Dataset
from .design import design_of
from .initial import Initial, load_initial
from .network import NestedModel
from .options import Options


def build_model(options: Options, dataset: Dataset, initial: Initial | None = None) -> NestedModel:
    """Make the network of a run, with its first weights."""
    design = design_of(options, dataset, initial)
    model = NestedModel(
        design.spec,
        dataset.shape,
        design.classes,
        candidates=options.candidates,
        input_scale=dataset.input_scale,
        input_zero_point=dataset.input_zero_point,
        task=design.task,
        output_coding=design.coding,
        view=options.view,
        learned=options.scales == "learned",
    )
    if initial is not None:
        load_initial(model, initial.for_spec(design.spec))
    return model
